#!/usr/bin/env bash
# Installs servers under test that come with the distribution: debian.sh postgresql etcd redis …
# As root, where there is apt; elsewhere it says what to install. What is there already is left as it is.
set -euo pipefail

main() {
    [ $# -gt 0 ] || { sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 64; }
    local what packages=()
    for what in "$@"; do
        "has_$what" || packages+=("$("package_$what")")
    done
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "This needs, and this machine lacks: ${packages[*]}. Install them as root, on Debian or Ubuntu by" >&2
        echo "  apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "Installing ${packages[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${packages[@]}" >&2
}

has_postgresql() {
    [ -n "${SVIDGATE_POSTGRES:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
        [ -x "$(pg_config --bindir 2>/dev/null)/initdb" ]
}
package_postgresql() { echo postgresql; }

has_etcd() { [ -n "${SVIDGATE_ETCD:-}" ] || [ -x /usr/bin/etcd ]; }
package_etcd() { echo etcd-server; }

has_redis() { [ -n "${SVIDGATE_REDIS:-}" ] || [ -x /usr/bin/redis-server ]; }
package_redis() { echo redis-server; }

# 17 or newer, with the compiler: the tests' own programs are run from their source.
has_java() {
    local modules
    modules=$(java --list-modules 2>/dev/null) && [[ $modules =~ jdk\.compiler@([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}
package_java() { echo default-jdk-headless; }

has_maven() { command -v mvn >/dev/null; }
package_maven() { echo maven; }

main "$@"
