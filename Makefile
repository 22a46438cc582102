# Everything starts here. `make serve` on a fresh machine does all of it; a second time it is ready
# within seconds.

PORT  ?= 8080
DATA  ?= data
PAIRS  ?= $(SHAMISEN_TEST_DATA)/data/sts/stsb-en-dev.csv
PREFIX ?= /opt/shamisen
# Public data sets that this project may not ship: tests that need them say so and pass over them.
export SHAMISEN_TEST_DATA ?= $(abspath ../shared)

TORTURE_SEED    ?= 1
TORTURE_RESULTS ?= docs/torture

SHAMISEN = target/release/shamisen
ONNX     = deps/use-multilingual-v3-onnx/model.onnx
MODEL    = $(DATA)/models/use-multilingual-v3/shamisen.json
MINILM   = deps/all-MiniLM-L6-v2

# Tests wait longer for rustc than for what it makes: this project's own crates are optimised less, others as ever.
QUICKLY_BUILT = --config profile.release.package.shamisen.opt-level=1 --config profile.release.package.shamisen.debug=0 \
                --config profile.release.package.shamisen-tables.opt-level=1

.PHONY: help quick serve deps build model install test test-peers check demo docs screenshot deny sbom bench bench-serve torture clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: model ## Fetch, build, import, and serve on 127.0.0.1:8080 (PORT=, DATA=)
	@SHAMISEN_PORT=$(PORT) SHAMISEN_DATA=$(DATA) exec $(SHAMISEN) serve

deps: ## Fetch libtorch and the base models into a cache folder
	@sh scripts/check.sh
	@python3 scripts/fetch_deps.py

build: deps ## Build the release binary
	@cargo build --release --locked

model: build ## Import the base models into the data folder
	@test -e $(MODEL) || $(SHAMISEN) model import $(ONNX) --data $(DATA)
	@test -e $(DATA)/models/all-minilm-l6-v2/shamisen.json || $(SHAMISEN) model import $(MINILM) --name all-minilm-l6-v2 --data $(DATA)

install: build ## Put the binary and libtorch below PREFIX (bin/, lib/): needs nothing of the checkout
	@install -D $(SHAMISEN) $(PREFIX)/bin/shamisen
	@mkdir -p $(PREFIX)/lib/torch
	@cp -RL deps/libtorch/lib $(PREFIX)/lib/torch/
	@if test -d deps/libtorch/../nvidia; then cp -RL deps/libtorch/../nvidia $(PREFIX)/lib/; fi
	@if test -d deps/libtorch/../torch.libs; then cp -RL deps/libtorch/../torch.libs $(PREFIX)/lib/; fi

quick: ## Check the format and run the tests that need no libtorch: nothing is fetched but crates
	@cargo fmt --all --check
	@cargo test --release --locked --package shamisen-tables

test: check ## Do what CI does: format, lints, documentation, tests
	@cargo test --release --locked --workspace $(QUICKLY_BUILT)

test-peers: deps ## Run the comparisons with programs of others alone: they need Python environments
	@cargo test --release --locked $(QUICKLY_BUILT) --test integration peers::

check: deps
	@cargo fmt --all --check
	@cargo clippy --release --locked --workspace --all-targets --all-features -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --all-features --no-deps --document-private-items

demo: ## Post the example pairs to a running server and show nine titles before and after
	@python3 scripts/demo.py --server http://127.0.0.1:$(PORT)

docs: build ## Write docs/api.md and docs/settings.md anew, out of the program
	@for page in api settings; do $(SHAMISEN) docs $$page > docs/$$page.md.new && mv docs/$$page.md.new docs/$$page.md; done

screenshot: ## Take README's picture out of a running server, with Chromium
	@python3 scripts/screenshot.py --server http://127.0.0.1:$(PORT)

deny: ## Check what dependencies bring: licences, copies, sources (deny.toml); ADVISORIES=folder: a copy of rustsec/advisory-db too
	@tools=$$(dirname $$(python3 scripts/reference_env.py supply)) \
		&& $$tools/cargo-deny --locked check licenses bans sources \
		&& if test -n "$(ADVISORIES)"; then $$tools/cargo-audit audit --db $(ADVISORIES) --no-fetch --stale; fi

sbom: ## Write shamisen.cdx.json: all that goes into the binary and its folder, as CycloneDX
	@python3 scripts/sbom.py

bench: model ## Measure, and print ratios taken in one run
	@python3 benches/serving_while_training.py
	@python3 benches/tutorial_job.py
	@python3 benches/train_step.py

bench-serve: model ## Measure serving over loopback (PAIRS=stsb-en-dev.csv; needs wrk)
	@python3 benches/serving.py --pairs $(PAIRS)

torture: build ## Kill, starve and flip the binary for hours, and write docs/reliability.md (TORTURE_MINUTES=, TORTURE_PARTS=, TORTURE_SEED=)
	@python3 -m tests.torture.everything --seed $(TORTURE_SEED) $(if $(TORTURE_MINUTES),--minutes $(TORTURE_MINUTES)) \
	    $(if $(TORTURE_PARTS),--parts $(TORTURE_PARTS)) --out $(TORTURE_RESULTS); faults=$$?; \
	    python3 -m tests.torture.report $(TORTURE_RESULTS) && exit $$faults

clean: ## Remove what was built and the links to the cache; keep data
	@rm -rf target deps
