# `make demo` and `make test` need Python >= 3.10, make and the package index; they set up the rest themselves.

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint bench clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.10 found. Install one, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip -q install --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip -q install -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip -q install -e '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## a leaking service, and what an operator sees; OTLP=http://... sends it there
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev ## the test suite
	@$(BIN)/python -m pytest -q

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## all benchmark tables
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean: ## remove what was made
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
