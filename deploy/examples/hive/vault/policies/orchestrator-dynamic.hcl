path "secret/data/orchestrator/*" {
  capabilities = ["read"]
}
path "database/creds/temporal-orchestrator" {
  capabilities = ["read"]
}
path "database/creds/mongodb-orchestrator" {
  capabilities = ["read"]
}
# What was replaced is revoked when its grace period is over; the policy `default` lets a token only renew.
path "sys/leases/revoke" {
  capabilities = ["update"]
}
