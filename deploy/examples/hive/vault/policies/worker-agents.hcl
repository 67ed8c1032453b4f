# Results of tasks are stored here too, by the workers themselves.
path "secret/data/worker/*" {
  capabilities = ["read", "create", "update"]
}
