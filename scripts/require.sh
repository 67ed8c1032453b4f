#!/usr/bin/env bash
# Says what is missing on this machine and how to install it, before anything else runs: require.sh rust python node go wrk valgrind
set -euo pipefail

missing=()

for need in "$@"; do
    case $need in
        rust)
            command -v rustup >/dev/null && command -v cargo >/dev/null ||
                missing+=("Rust with rustup, see https://rustup.rs (the right version then installs itself)")
            command -v cc >/dev/null || missing+=("a C compiler and linker: apt-get install build-essential")
            ;;
        python)
            python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null && python3 -m pip --version >/dev/null 2>&1 ||
                missing+=("Python 3.8 or newer with pip, which brings Envoy: apt-get install python3 python3-pip")
            ;;
        node)
            node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null ||
                missing+=("Node 20 or newer, which runs the tests that are Wasm: https://nodejs.org")
            ;;
        wrk)
            command -v wrk >/dev/null || missing+=("wrk, the load of the benchmark: apt-get install wrk")
            command -v taskset >/dev/null || missing+=("taskset, which binds Envoy to a core: apt-get install util-linux")
            ;;
        go)
            command -v go >/dev/null ||
                missing+=("Go 1.21 or newer, which builds SPIRE for the end-to-end tests: https://go.dev/doc/install")
            command -v cc >/dev/null || missing+=("a C compiler, for SPIRE's SQLite: apt-get install build-essential")
            ;;
        valgrind)
            command -v valgrind >/dev/null ||
                missing+=("valgrind, which counts instructions: apt-get install valgrind")
            ;;
    esac
done

case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") ;;
    *) missing+=("Linux on x86_64 or aarch64: the Envoy used here is built for nothing else") ;;
esac

if [ ${#missing[@]} -gt 0 ]; then
    echo "This needs, and this machine lacks:" >&2
    printf '  - %s\n' "${missing[@]}" | sort -u >&2
    exit 1
fi
