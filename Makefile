# Everything that a developer or CI runs. `make` alone lists it.
# Programs under test come into a cache that all clones share: $XDG_CACHE_HOME/svidgate, or ~/.cache/svidgate.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

WASM_TARGET := wasm32-unknown-unknown
PLUGIN := cargo build --release --locked --target $(WASM_TARGET) -p svidgate-plugin
# One selection of packages and features for all of them, so that dependencies are compiled once.
WORKSPACE := --workspace --locked
TOOLS := tests/tools/install.sh

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing: the Rust toolchain with its wasm target, Envoy
	@scripts/require.sh rust python
	@rustup show active-toolchain >/dev/null 2>&1 || rustup toolchain install
	@rustup target list --installed | grep -qx $(WASM_TARGET) || rustup target add $(WASM_TARGET)
	@$(TOOLS) envoy >/dev/null

.PHONY: run
run: setup plugin ## Start dev, controller and Envoy, take a tour, stay until Ctrl-C (ONCE=1 ends, PORT=n chooses the port)
	@cargo build $(WORKSPACE) --bins
	@exec target/debug/svidgate-tour

.PHONY: test
test: setup lint plugin plugin-test-hooks ## Lint, unit tests, wasm import check, end-to-end tests with dev
	cargo build $(WORKSPACE) --all-targets
	target/debug/svidgate-wasm-check target/svidgate.wasm
	target/debug/svidgate-wasm-check --test-hooks target/svidgate-test-hooks.wasm
	cargo test $(WORKSPACE)

.PHONY: e2e
e2e: need-go setup spire plugin plugin-test-hooks ## End-to-end tests with a real SPIRE
	cargo build $(WORKSPACE) --all-targets
	cargo test $(WORKSPACE) --features svidgate-tests/spire --test 'slice_spire'

.PHONY: lint
lint: setup ## Formatting, clippy for the host and for wasm, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets --features svidgate-tests/spire,svidgate-vault-tests/real,svidgate-differential/spire -- -D warnings
	cargo clippy --locked --target $(WASM_TARGET) -p svidgate-plugin -- -D warnings
	cargo clippy --locked --target $(WASM_TARGET) -p svidgate-plugin --features test-hooks -- -D warnings
	"$$($(TOOLS) cargo-deny)/cargo-deny" --log-level error check bans licenses sources

.PHONY: wasm
wasm: setup plugin ## Build the plugin, target/svidgate.wasm; print its size and check its imports
	@cargo build $(WORKSPACE) --bins
	target/debug/svidgate-wasm-check target/svidgate.wasm

.PHONY: clean
clean: ## Delete what was built here (the shared cache stays)
	cargo clean

# --- steps of the above -----------------------------------------------------------------------------------------------

.PHONY: plugin
plugin: setup
	$(PLUGIN)
	@install -m 644 target/$(WASM_TARGET)/release/svidgate_plugin.wasm target/svidgate.wasm

# Faults on demand, for the tests that show that each ends in refused requests; never shipped. In a folder of its own,
# because cargo gives both builds one file name; without the slow optimization across crates, which it does not need.
.PHONY: plugin-test-hooks
plugin-test-hooks: setup
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		$(PLUGIN) --features test-hooks --target-dir target/test-hooks
	@install -m 644 target/test-hooks/$(WASM_TARGET)/release/svidgate_plugin.wasm target/svidgate-test-hooks.wasm

.PHONY: need-go
need-go:
	@scripts/require.sh rust python go

.PHONY: spire
spire: need-go
	@$(TOOLS) spire >/dev/null

# The Vault client on a real OpenBao, with PostgreSQL, Redis, Kafka, Kubernetes, SPIRE and Envoy.
e2e: e2e-vault
.PHONY: e2e-vault
e2e-vault: need-go setup spire plugin plugin-test-hooks
	@tests/tools/debian.sh postgresql etcd redis java maven
	@$(TOOLS) openbao kafka kube-apiserver >/dev/null
	cargo build $(WORKSPACE) --bins
	cargo test $(WORKSPACE) --features svidgate-vault-tests/real --test 'vault_*'

# --- other implementations -------------------------------------------------------------------------------------------

.PHONY: differential
differential: setup ## 12,000 mutated tokens and every attack before other implementations; target/differential/report.json
	cargo build $(WORKSPACE) --bins
	target/debug/svidgate-differential

# The same before SPIRE's own ValidateJWTSVID, as a part of `make e2e`; target/differential/report-spire.json
e2e: differential-spire
.PHONY: differential-spire
differential-spire: need-go setup spire
	cargo test $(WORKSPACE) --features svidgate-differential/spire --test spire -- --nocapture

# --- vectors, and the cores as Wasm ----------------------------------------------------------------------------------

.PHONY: conformance
conformance: setup ## Other people's vectors and every attack class: a table, and target/conformance/report.json
	@cargo build $(WORKSPACE) --bins
	target/debug/svidgate-conformance target/conformance/report.json

# The same set as Wasm, on the target of the plugin. And the unit tests of the cores, on the target that has a standard
# output: both run the same code of the same compiler.
WASI_TARGET := wasm32-wasip1
test: test-wasm
.PHONY: test-wasm
test-wasm: setup ## The conformance suite and the unit tests of the cores as Wasm under Node
	@scripts/require.sh node
	@rustup target list --installed | grep -qx $(WASI_TARGET) || rustup target add $(WASI_TARGET)
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$$($(TOOLS) wasm-bindgen)/wasm-bindgen-test-runner" \
		cargo test --locked --target $(WASM_TARGET) -p svidgate-conformance --test conformance -- --nocapture
	CARGO_TARGET_WASM32_WASIP1_RUNNER="node $(CURDIR)/tests/tools/wasi.mjs" \
		cargo test --locked --target $(WASI_TARGET) -p svidgate-config -p svidgate-jwt-svid -p svidgate-policy \
		-p svidgate-snapshot --lib --test attacks

lint: lint-verification
.PHONY: lint-verification
lint-verification:
	scripts/check_verification.py

# Workspaces of their own, which no test builds: they would fall behind unseen. libFuzzer is compiled too, from C++.
lint: lint-apart
.PHONY: lint-apart
lint-apart: setup
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path $(DYNAMIC_MODULE)
	cargo check --quiet --locked --target-dir target/apart --manifest-path $(DYNAMIC_MODULE)
	@if command -v c++ >/dev/null; then cargo check --quiet --locked --target-dir target/apart --manifest-path fuzz/Cargo.toml; \
	else echo "c++ is missing: the fuzz targets were NOT checked" >&2; fi

# --- longer looks at the verification core ---------------------------------------------------------------------------

.PHONY: fuzz
fuzz: setup ## Fuzz every parser and the verification, FUZZ_SECONDS each (default 60); TARGETS="token jwk" chooses
	@fuzz/run.sh $(TARGETS)

# --- what a request costs --------------------------------------------------------------------------------------------

BENCH := target/controller/svidgate-bench

.PHONY: bench
bench: bench-build ## CPU time of a request in Envoy, beside jwt_authn, ext_authz and others: about 25 minutes (docs/benchmark.md)
	$(BENCH)

.PHONY: bench-quick
bench-quick: bench-build ## The part of it that the targets are about, in less than two minutes
	$(BENCH) --quick

.PHONY: bench-memory
bench-memory: setup plugin ## Whether Envoy's memory stays flat: a million distinct tokens, 10,000 snapshots; ARGS="--tokens N --changes N"
	cargo build --profile controller --locked -p svidgate-bench
	$(BENCH) memory $(ARGS)

# A profile that is fast and that builds fast: the external verifier is measured too.
.PHONY: bench-build
bench-build: need-wrk setup plugin bench-baseline
	cargo build --profile controller --locked -p svidgate-bench

.PHONY: bench-baseline
bench-baseline: setup
	cargo build --release --locked --target $(WASM_TARGET) -p svidgate-bench-baseline
	@install -D -m 644 target/$(WASM_TARGET)/release/svidgate_bench_baseline.wasm target/bench/baseline.wasm

.PHONY: need-wrk
need-wrk:
	@scripts/require.sh rust python wrk

# Too short to measure anything: shows that every part of the benchmark works. Where there is no wrk, the rest of the
# tests is worth having.
e2e: test-bench
.PHONY: test-bench
test-bench:
	@if command -v wrk >/dev/null; then $(MAKE) --no-print-directory bench-smoke; \
	else echo "wrk is missing: the benchmark was NOT tried" >&2; fi

.PHONY: bench-smoke
bench-smoke: need-wrk setup plugin bench-baseline
	cargo test $(WORKSPACE) --features svidgate-bench/wrk --test every_lane -- --nocapture

# Symbols stay in and crates apart, so that valgrind can tell the measured calls; the rest is built as the plugin is.
COUNTED := CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only CARGO_PROFILE_RELEASE_LTO=off \
	cargo build --release --locked --target-dir target/refusals
.PHONY: bench-refusals
bench-refusals: setup need-valgrind ## Instructions that refusing costs, over those of a valid token (needs valgrind)
	$(COUNTED) -p svidgate-jwt-svid --example refusal_cost
	target/refusals/release/examples/refusal_cost

.PHONY: bench-policy
bench-policy: setup need-valgrind ## Instructions of a decision by 10, 1,000 and 10,000 rules (needs valgrind); writes docs/policy-cost.md
	$(COUNTED) -p svidgate-policy --example lookup_cost
	target/refusals/release/examples/lookup_cost docs/policy-cost.md

.PHONY: need-valgrind
need-valgrind:
	@scripts/require.sh valgrind

.PHONY: bench-instructions
bench-instructions: setup need-valgrind ## Instructions of a verification and a decision against the baseline; UPDATE=1 makes it anew (needs valgrind)
	$(COUNTED) -p svidgate-instructions
	target/refusals/release/svidgate-instructions --baseline tests/instructions/baseline.json \
		--profiles target/bench/instructions $(if $(UPDATE),--update)

# Where there is no valgrind, the rest of the tests is worth having.
test: test-instructions
.PHONY: test-instructions
test-instructions:
	@if command -v valgrind >/dev/null; then $(MAKE) --no-print-directory bench-instructions; \
	else echo "valgrind is missing: the instructions of a request were NOT compared with their baseline" >&2; fi

# The million needs optimization; `make test` has fewer.
.PHONY: bench-cache-flood
bench-cache-flood: setup ## A million distinct tokens before the cache of verified ones: signatures, look-ups and memory stay bounded
	CARGO_PROFILE_RELEASE_LTO=off cargo test --release --locked --target-dir target/flood -p svidgate-jwt-svid --lib flood

# --- how far the push carries -----------------------------------------------------------------------------------------

# The controller as it is shipped.
PUSH := cargo build --profile controller --locked -p svidgate-controller -p svidgate-push-sim --bins

.PHONY: bench-push
bench-push: setup ## 10,000 subscribers at one controller on one core: lag, memory, a restart; ARGS="--subscribers N --seconds N"
	$(PUSH)
	SVIDGATE_BIN=target/controller/svidgate target/controller/svidgate-push-sim --json target/bench/push.json $(ARGS)

.PHONY: bench-propagation
bench-propagation: setup plugin ## From a change at the controller to the last worker of Envoy; ARGS="--workers 1,2,4 --changes N"
	$(PUSH)
	SVIDGATE_BIN=target/controller/svidgate target/controller/svidgate-propagation \
		--json target/bench/propagation.json $(ARGS)

# --- a prototype: the cores as an Envoy dynamic module ---------------------------------------------------------------

DYNAMIC_MODULE := tests/dynamic-module/Cargo.toml
BUILT_MODULE := tests/dynamic-module/target/release/libsvidgate_dynamic_module.so

.PHONY: dynamic-module
dynamic-module: dynamic-module-build ## Build it, and show on a real Envoy whom it lets in (docs/dynamic-module.md)
	cargo fmt --check --manifest-path $(DYNAMIC_MODULE)
	tests/dynamic-module/check.py

.PHONY: dynamic-module-build
dynamic-module-build: setup
	cargo build --release --locked --manifest-path $(DYNAMIC_MODULE)
	@install -D -m 755 $(BUILT_MODULE) target/svidgate-dynamic-module.so

.PHONY: mutants
mutants: setup ## Mutation tests of the verification core, in a copy of the tree: about an hour (docs/mutants.md)
	PATH="$$($(TOOLS) cargo-mutants):$$PATH" cargo mutants --package svidgate-jwt-svid --jobs 1 --timeout 120 \
		--output target/mutants $(MUTANTS) -- --lib --tests
