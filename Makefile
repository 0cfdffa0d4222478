# The commands of this project. `make` alone lists them.
# Everything heavy lives outside the checkout: runtime assets in LEARNHUB_CACHE, Cargo's output in CARGO_TARGET_DIR.

LEARNHUB_CACHE ?= $(shell if [ "$$(id -u)" = 0 ]; then echo /var/cache/learnhub; else echo "$${XDG_CACHE_HOME:-$$HOME/.cache}/learnhub"; fi)
CARGO_TARGET_DIR ?= $(LEARNHUB_CACHE)/target
# queries are checked against the committed .sqlx/, so that a build needs no database
SQLX_OFFLINE ?= true
export LEARNHUB_CACHE CARGO_TARGET_DIR SQLX_OFFLINE

.PHONY: help setup build demo test check bench chaos chaos-partition chaos-model clean

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 15

setup: ## install what is missing: Debian packages, PostgreSQL, ONNX Runtime, PDFium, the model, npm packages
	@scripts/setup

# --all-targets, though the program alone would do: Cargo gives the dependencies of tests other features than those of
# the program alone, and `make test` would compile half of the tree a second time.
build: setup ## build the pages and the program, and leave it at bin/learnhub
	cargo build --workspace --all-targets --locked
	@scripts/install-program "$(CARGO_TARGET_DIR)/debug/learnhub" bin/learnhub

demo: build ## run the sample course through everything and leave the server running (DEMO_EXIT=1: stop it)
	@scripts/demo

test: build ## every test: Rust, web, browser; the last line counts them
	@scripts/test

check: setup ## what a change must pass besides the tests: format, lints, docs, generated files, dependencies
	@scripts/check

# The program with crash points is another one than `make build` leaves at bin/learnhub, from the same source.
chaos: setup ## kill everything at every crash point and look what is left: KILLS=1000 SEED=… BACKEND=rabbitmq STORE=s3 CONTROL=fencing|sweep|switch
	KILLS="$(or $(KILLS),1000)" SEED="$(SEED)" CONTROL="$(CONTROL)" BACKEND="$(BACKEND)" STORE="$(STORE)" cargo test --workspace --locked --features chaos --test chaos

chaos-partition: setup ## two hosts in network namespaces, and 45 s without the link between them (as root)
	cargo build --locked --bin learnhub
	@tests/chaos/partition "$(CARGO_TARGET_DIR)/debug/learnhub"

chaos-model: build ## take the model away for ten minutes (DOWN=600) while documents come in
	@tests/chaos/model-down $(DOWN)

bench: build ## seconds per stage and peak memory
	@bench/spine

clean: ## remove what builds and runs left behind; the runtime assets stay in LEARNHUB_CACHE
	rm -rf bin web/dist web/node_modules web/test-results demo-data bench/out
	cargo clean
