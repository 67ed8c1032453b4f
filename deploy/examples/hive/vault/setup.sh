#!/usr/bin/env bash
# Policies, logins and database roles of the three services, for Vault or OpenBao. Run by somebody who may, with VAULT_ADDR
# and a token in place; it may run again. BAO is the program: `vault` or `bao`.
set -euo pipefail
cd "$(dirname "$0")"
BAO=${BAO:-bao}

# grep reads to the end: with -q the list could die of a closed pipe, which pipefail takes for "not there".
enable() { "$BAO" "$1" list -format=json | grep "\"$2/\"" >/dev/null || "$BAO" "$1" enable -path="$2" "${@:3}"; }

enable auth kubernetes kubernetes
enable secrets secret -version=2 kv
enable secrets database database

# Within the cluster the server finds the API server and its own token by itself.
# Elsewhere it is told: KUBERNETES_HOST, and KUBERNETES_CA_CERT, a file.
"$BAO" write auth/kubernetes/config kubernetes_host="${KUBERNETES_HOST:-https://kubernetes.default.svc}" \
  ${KUBERNETES_CA_CERT:+kubernetes_ca_cert=@"$KUBERNETES_CA_CERT" disable_local_ca_jwt=true}

# A role for each service: bound to its service account and namespace, with its own policy.
role() {
  "$BAO" policy write "$1" "policies/$1.hcl"
  "$BAO" write "auth/kubernetes/role/$1" \
    bound_service_account_names="$1" bound_service_account_namespaces="$2" token_policies="$1" token_ttl=1h
}
role orchestrator-dynamic neural-hive-orchestration
role worker-agents neural-hive-execution
role service-registry neural-hive-registry

# The passwords of the two administrators come from the environment, never from here. TEMPORAL_URL has the places that the
# engine fills: postgresql://{{username}}:{{password}}@postgres:5432/temporal
"$BAO" write database/config/temporal \
  plugin_name=postgresql-database-plugin allowed_roles=temporal-orchestrator \
  connection_url="${TEMPORAL_URL:?}" \
  username="${TEMPORAL_ADMIN:?}" password="${TEMPORAL_PASSWORD:?}"
"$BAO" write database/roles/temporal-orchestrator \
  db_name=temporal default_ttl=1h max_ttl=24h \
  creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE temporal;"

# OpenBao has no plugin for MongoDB of its own; Vault has.
if [ -n "${MONGODB_URL:-}" ]; then
  "$BAO" write database/config/mongodb \
    plugin_name=mongodb-database-plugin allowed_roles=mongodb-orchestrator \
    connection_url="$MONGODB_URL" username="${MONGODB_ADMIN:?}" password="${MONGODB_PASSWORD:?}"
  "$BAO" write database/roles/mongodb-orchestrator \
    db_name=mongodb default_ttl=1h max_ttl=24h \
    creation_statements='{"db": "admin", "roles": [{"role": "readWrite", "db": "orchestrator"}]}'
fi
