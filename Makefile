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
STORE ?= embedded
BACKEND ?= vxlan
# Not from the environment, where NODE is often the path of Node: `make shell NODE=2`.
NODE := 1
unexport NODE
export NODES IPV STORE BACKEND

.PHONY: help setup setup-ci bun build dist images up check status shell down peers test test-vm bench soak lint format typecheck clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## npm packages, Bun, Debian packages that are missing (says what and why); code for gRPC messages
	@scripts/setup lab test
	@$(RUN) scripts/messages.ts

setup-ci:
	@scripts/setup lab test ci
	@$(RUN) scripts/messages.ts

# For what works with a lab that runs: who built it has Bun, and nothing is to be installed to remove it.
bun:
	@$(BUN) --version >/dev/null 2>&1 || { echo 'Bun is not installed in this checkout: make setup' >&2; exit 1; }

build: setup ## this machine's executable in dist/ (nothing to do when nothing changed)
	@$(RUN) scripts/build.ts native

dist: setup ## dist/underpod-linux-{amd64,arm64} and SHA256SUMS, reproducible
	@$(RUN) scripts/build.ts all

images: setup ## dist/underpod-VERSION-linux-{amd64,arm64}.image.tar for `ctr image import` and `docker load`, reproducible
	@$(RUN) scripts/images.ts

up: build ## NODES=3 IPV=dual STORE=embedded|etcd|kubernetes BACKEND=vxlan|…: pods on several nodes talk; checks every path, prints a table, stays up
	@$(RUN) conformance/lab/main.ts up

check: bun ## check the running lab again
	@$(RUN) conformance/lab/main.ts check

status: bun ## nodes, subnets and pods of the running lab
	@$(RUN) conformance/lab/main.ts status

shell: bun ## NODE=1: a shell in a node of the lab
	@$(RUN) conformance/lab/main.ts shell $(NODE)

down: bun ## remove the lab
	@$(RUN) conformance/lab/main.ts down

peers: setup ## what tests hold ours against: upstream's plugins, flanneld, kube-apiserver (needs Go; minutes, once)
	@$(RUN) conformance/peers.ts

test: build ## unit, kernel and executable tests (at most 5 minutes)
	@$(RUN) scripts/test.ts test

test-vm: setup-ci build ## the same executable under the kernels of Debian 12 and 11 in QEMU
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
