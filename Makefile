# What a person types. `make` alone prints this list.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Containers often tell Python to keep nothing it compiles; then each process of a run compiles all it imports anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup run fast test soak lint types format bench presence-signin clean
.PHONY: types-warm tests tests-pure # parts of fast and test

# The first Python of the versions this runs on; PYTHON=... chooses another one.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,\
	$(shell $(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
ACCOUNT ?= 1
SETTINGS ?= $(firstword $(wildcard local.settings.json) local.settings.json.example)

help: ## Print this list
	@echo "Nimbus Extensions. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what local runs and tests need into .venv and node_modules
	@test -e .venv/.ready || test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found. Install one (https://www.python.org/downloads/) or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@test -e node_modules/.ready || command -v node >/dev/null || { echo "Node.js 20 or newer is needed for the storage emulator and was not found. Install it: https://nodejs.org"; exit 1; }
	@test -e node_modules/.ready || command -v npm >/dev/null || { echo "npm is needed to install the storage emulator and was not found. It comes with Node.js: https://nodejs.org"; exit 1; }
	@$(MAKE) --silent --no-print-directory --jobs=2 .venv/.ready node_modules/.ready

run: setup ## Start the app with everything around it; Ctrl-C stops it
	@exec $(BIN)/python -m devhost

fast: setup ## Check style and types, run the tests that need no other process: seconds, for while you write
	@$(MAKE) --silent --no-print-directory --jobs=3 lint types-warm tests-pure
	@echo "== fine; make test runs the rest"

test: setup ## Check style and types, run all tests; THOROUGH=1 plays storms in full size
	@tools/chromium.sh
	@$(MAKE) --silent --no-print-directory lint
	@echo "== types and tests, side by side"
	@$(MAKE) --silent --no-print-directory --jobs=2 types tests
	@echo "== all is well"

soak: setup ## The large storm with killed processes, and how soon tasks are offered; about half an hour
	@env -u CONTAINER_NAME $(BIN)/python -m tests.app.soak

lint: setup ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types (mypy --strict)
	@$(BIN)/mypy

types-warm: setup
	@$(BIN)/dmypy run --timeout 3600

# Three workers: one runs all whole stacks and mostly waits for them.
tests: setup
	@env -u CONTAINER_NAME $(BIN)/python -m pytest --azurite --numprocesses 3

tests-pure: setup
	@QUICK=1 env -u CONTAINER_NAME $(BIN)/python -m pytest -m pure --numprocesses auto

format: setup ## Put all Python files into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Measure cold start, admission, calls, session starts, presence polls, contact search; prints tables, ratios first
	@env -u CONTAINER_NAME $(BIN)/python -m bench

presence-signin: setup ## Sign presence account ACCOUNT=1 or 2 in with a device code (SETTINGS=file of app settings)
	@$(BIN)/python -m tools.presence_signin $(ACCOUNT) --settings $(SETTINGS)

clean: ## Remove what setup, runs and tests left here
	@rm -rf .venv node_modules .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .dmypy.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean"

.venv/.ready: requirements.txt requirements-dev.txt requirements-conformance.txt
	@echo "== Python packages into .venv ($$($(PYTHON) --version)), about a minute the first time"
	@$(PYTHON) -m venv .venv || { echo "No virtual environment could be made in .venv; the reason stands above. If the module venv or ensurepip is missing, on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@# What is imported is compiled then; most of it never is.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps --ignore-requires-python -r requirements-conformance.txt
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "== Storage emulator into node_modules, about half a minute the first time"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
