#!/usr/bin/env bash
# Runs fuzz targets for a bounded time each, one after another; stops at the first that finds something.
#
#   fuzz/run.sh                 every target
#   fuzz/run.sh token header    these
#
# FUZZ_SECONDS is the time of each (default 60). New inputs go to fuzz/corpus, which is not committed; what was found,
# to fuzz/artifacts. The last line of libFuzzer's statistics is printed for each target.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${FUZZ_SECONDS:-60}
PATH=$("$here/../tests/tools/install.sh" cargo-fuzz):$PATH

main() {
    cd "$here"
    rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
    local targets=("$@")
    [ $# -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
    cargo +nightly fuzz build
    local target
    for target in "${targets[@]}"; do
        run "$target"
    done
}

run() {
    local target=$1 log
    mkdir -p "corpus/$target" logs
    log=logs/$target.log
    echo "fuzz: $target for $seconds s"
    local options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=9000 -print_final_stats=1)
    [ ! -f "$(dictionary "$target")" ] || options+=(-dict="$(dictionary "$target")")
    if ! cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- "${options[@]}" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "fuzz: $target found something; the log is fuzz/$log" >&2
        exit 1
    fi
    grep -a 'DONE\|average_exec_per_sec' "$log" | sed "s/^/  /"
}

# Targets that read the same language share a dictionary.
dictionary() {
    case $1 in
        header | claims) echo dictionaries/token.dict ;;
        bundle_document) echo dictionaries/jwk.dict ;;
        *) echo "dictionaries/$1.dict" ;;
    esac
}

main "$@"
