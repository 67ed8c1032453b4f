path "secret/data/service-registry/*" {
  capabilities = ["read"]
}
