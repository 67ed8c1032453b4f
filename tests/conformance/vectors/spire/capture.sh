#!/usr/bin/env bash
# Captures anew what a real SPIRE publishes, for each type of JWT key that it knows. See README.md.
#
#   OIDC_PROVIDER=/path/to/oidc-discovery-provider capture.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
spire=$("$here/../../../tools/install.sh" spire)
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

main() {
    local key_type
    for key_type in ec-p256 ec-p384 rsa-2048 rsa-4096; do
        capture "$key_type"
    done
}

capture() {
    local key_type=$1 dir=$work/$1 out=$here/$1
    mkdir -p "$dir" "$out"
    write_configurations "$key_type" "$dir"

    start "$spire/spire-server" run -config "$dir/server.conf"
    await "$spire/spire-server" healthcheck -socketPath "$dir/server.sock"
    server bundle show >"$dir/bundle.pem"
    server token generate -spiffeID "$agent_id" -output json | field value >"$dir/join-token"
    server entry create -parentID "$agent_id" -spiffeID "$workload_id" -selector "unix:uid:$(id -u)" >/dev/null
    start "$spire/spire-agent" run -config "$dir/agent.conf"
    start "$OIDC_PROVIDER" -config "$dir/oidc.conf"
    start "$OIDC_PROVIDER" -config "$dir/oidc_with_use.conf"
    await fetch_token
    await curl -sf "http://127.0.0.1:$oidc_port/keys"
    await curl -sf "http://127.0.0.1:$oidc_with_use_port/keys"

    python3 - "$dir/fetched.json" "$out" <<'PYTHON'
import base64, json, sys
svids, bundles = json.load(open(sys.argv[1]))
open(sys.argv[2] + "/token.jwt", "w").write(svids["svids"][0]["svid"])
(bundle,) = bundles["bundles"].values()
open(sys.argv[2] + "/workload_api.json", "wb").write(base64.b64decode(bundle))
PYTHON
    server bundle show -format spiffe >"$out/bundle_show.json"
    curl -skf "https://127.0.0.1:$federation_port/" >"$out/federation.json"
    curl -sf "http://127.0.0.1:$oidc_port/keys" >"$out/oidc.json"
    curl -sf "http://127.0.0.1:$oidc_with_use_port/keys" >"$out/oidc_with_use.json"

    kill "${pids[@]}"
    wait
    pids=()
}

agent_id=spiffe://example.org/agent
workload_id=spiffe://example.org/client
audience=backend.example.org
server_port=18081 federation_port=18443 oidc_port=18082 oidc_with_use_port=18083

write_configurations() {
    local key_type=$1 dir=$2
    mkdir -p "$dir/server" "$dir/agent"
    cat >"$dir/server.conf" <<CONF
server {
  bind_address = "127.0.0.1"
  bind_port = "$server_port"
  socket_path = "$dir/server.sock"
  trust_domain = "example.org"
  data_dir = "$dir/server"
  jwt_key_type = "$key_type"
  federation { bundle_endpoint { address = "127.0.0.1" port = $federation_port } }
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "$dir/server/datastore.sqlite3" } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
CONF
    cat >"$dir/agent.conf" <<CONF
agent {
  server_address = "127.0.0.1"
  server_port = "$server_port"
  socket_path = "$dir/agent.sock"
  trust_domain = "example.org"
  trust_bundle_path = "$dir/bundle.pem"
  join_token_file = "$dir/join-token"
  data_dir = "$dir/agent"
}
plugins {
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
CONF
    write_oidc_configuration "$oidc_port" false "$dir" >"$dir/oidc.conf"
    write_oidc_configuration "$oidc_with_use_port" true "$dir" >"$dir/oidc_with_use.conf"
}

write_oidc_configuration() {
    local port=$1 set_key_use=$2 dir=$3
    cat <<CONF
log_level = "ERROR"
domains = ["127.0.0.1"]
allow_insecure_scheme = true
insecure_addr = "127.0.0.1:$port"
set_key_use = $set_key_use
server_api { address = "unix://$dir/server.sock" }
CONF
}

server() {
    "$spire/spire-server" "$@" -socketPath "$dir/server.sock"
}

fetch_token() {
    "$spire/spire-agent" api fetch jwt -audience "$audience" -spiffeID "$workload_id" -socketPath "$dir/agent.sock" \
        -output json >"$dir/fetched.json"
}

start() {
    "$@" >>"$dir/log" 2>&1 &
    pids+=($!)
}

await() {
    local deadline=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            echo "gave up on: $*" >&2
            tail -20 "$dir/log" >&2
            exit 1
        fi
        sleep 0.2
    done
}

field() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

main
