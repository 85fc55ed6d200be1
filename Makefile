# underpod. `make` lists the targets; the two that matter: `make up`, `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := node_modules/.bin
BUN := $(BIN)/bun
# Under Bun, never under the Node that the #! line names.
RUN := $(BUN) --bun
NODES ?= 3
IPV ?= dual
NODE ?= 1
export NODES IPV

.PHONY: help setup setup-ci build dist up check status shell down test test-vm bench soak lint format typecheck clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## npm packages, Bun and Debian packages that are missing (says what and why)
	@scripts/setup lab test

setup-ci:
	@scripts/setup lab test ci

build: setup ## this machine's executable in dist/ (nothing to do when nothing changed)
	@$(RUN) scripts/build.ts native

dist: setup ## dist/underpod-linux-{amd64,arm64} and SHA256SUMS, reproducible
	@$(RUN) scripts/build.ts all

up: build ## NODES=3 IPV=dual: pods on several nodes talk over VXLAN; checks every path, prints a table, stays up
	@$(RUN) conformance/lab/main.ts up

check: setup ## check the running lab again
	@$(RUN) conformance/lab/main.ts check

status: setup ## nodes, subnets and pods of the running lab
	@$(RUN) conformance/lab/main.ts status

shell: setup ## NODE=1: a shell in a node of the lab
	@$(RUN) conformance/lab/main.ts shell $(NODE)

down: setup ## remove the lab
	@$(RUN) conformance/lab/main.ts down

test: build ## unit, kernel and executable tests (at most 5 minutes)
	@$(RUN) scripts/test.ts test

test-vm: setup-ci build ## the same executable under Debian's kernel in QEMU
	@$(RUN) conformance/vm/main.ts

bench: build ## our executable against the Go plugins, in one run
	@$(RUN) conformance/bench/main.ts

soak: setup-ci build ## the full figures; writes docs/soak.md
	@$(RUN) conformance/soak/main.ts

lint: setup ## format, lint, import direction
	@$(BIN)/biome check --error-on-warnings .

format: setup ## let Biome write what it can
	@$(BIN)/biome check --write .

typecheck: setup ## TypeScript, as strict as tsconfig.json says
	@$(BIN)/tsc -p .

clean: ## remove dist/ and build/ (not node_modules)
	@rm -rf dist build
