# `make demo` and `make test` need Python >= 3.10, make and the package index; they set up the rest themselves.

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3.10 python3.15 python3; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made

.PHONY: help demo test test-rest coverage faults mutation collector prometheus chain lint workflows docs bench transparency wheels clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/'

# Only a finished environment counts: one that broke off is mended. An old pip may search for versions for ever.
$(MADE):
	@"$(PYTHON)" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "Needed: Python >= 3.10 with the modules venv and ensurepip. $(if $(PYTHON),$(PYTHON) is none,PATH has none)."; \
		echo "On Debian and Ubuntu: apt-get install python3-venv. Or name one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version), once; the packages take a moment"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip -q install --upgrade pip
	@touch $@

$(VENV)/.demo: pyproject.toml | $(MADE)
	@$(BIN)/python -m pip -q install -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(MADE)
	@$(BIN)/python -m pip -q install -e '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## a leaking service, and what an operator sees; OTLP=http://... sends it there
	@$(BIN)/python examples/demo.py

# The tests mostly wait, so more of them run at once than there are cores.
test: $(VENV)/.dev ## the unit tests, in five minutes; `make test-rest` has the others
	@$(BIN)/python -m pytest -q -n 3 -m "not large" tests/unit; code=$$?; \
	echo "Not run: large unit tests, leaking and healthy programs, servers and backends. 'make test-rest' runs them, in half an hour."; \
	exit $$code

test-rest: $(VENV)/.dev ## what `make test` leaves out: large unit tests, programs, servers, backends; half an hour
	@$(BIN)/python -m pytest -q -n 3 -m large tests/unit; large=$$?; \
	$(BIN)/python -m pytest -q -n 4 tests/corpus; corpus=$$?; \
	$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/integration && exit $$(( large + corpus ))

faults: $(VENV)/.dev ## plant known faults, and see that a unit test finds each; ONLY=patch are some of them
	@$(BIN)/python tests/planted_faults.py $(ONLY)

# Spawners are not seen through while a tracer runs, so some tests fail here; `make test` is what judges them.
coverage: $(VENV)/.dev ## the unit tests with their coverage of lines and branches, which must not fall
	@mkdir -p build
	-@$(BIN)/python -m coverage run -m pytest -q --timeout 300 tests/unit
	@$(BIN)/python -m coverage report

mutation: $(VENV)/.dev ## small random changes to the code, and which of them no unit test finds; an hour
	@$(BIN)/python tests/mutation/run.py --sample $(or $(SAMPLE),300) $(WRITE)

build/otelcol: collector-config/builder.yaml
	@command -v go >/dev/null || { echo "Needed: Go >= 1.25 (go.dev/dl), for the Collector is built from its modules."; exit 1; }
	@echo "Building the Collector from its Go modules, once; that takes some minutes"
	@mkdir -p build
	@CGO_ENABLED=0 go run go.opentelemetry.io/collector/cmd/builder@v0.159.0 --config $< >build/collector.log 2>&1 || { \
		tail -20 build/collector.log; exit 1; }
	@mv build/collector/otelcol $@

collector: build/otelcol ## the Collector that collector-config is checked with, by Go

build/prometheus3/prometheus:
	@command -v go >/dev/null || { echo "Needed: Go >= 1.26 (go.dev/dl), for Prometheus 3 is built from its modules."; exit 1; }
	@echo "Building Prometheus 3 from its Go modules, once; that takes some minutes"
	@GOBIN="$(CURDIR)/build/prometheus3" CGO_ENABLED=0 go install -tags remove_all_sd \
		github.com/prometheus/prometheus/cmd/prometheus@v0.316.0 github.com/prometheus/prometheus/cmd/promtool@v0.316.0

prometheus: build/prometheus3/prometheus ## Prometheus 3, by Go, beside an installed one; the tests of rules and dashboard run with both

chain: $(VENV)/.demo build/otelcol ## services, agent, gateways, Prometheus and a backend, with real programs
	@$(BIN)/python examples/chain.py

lint: $(VENV)/.dev workflows ## ruff, mypy, the direction of imports, the words of the prose and the workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tests/prose.py

# actionlint is written in Go; its packages for Python fetch it from outside the package index.
workflows: $(VENV)/.dev ## the files of .github, and fragments of the changelog
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor --offline --quiet .github
	@[ -x build/actionlint ] || ! command -v go >/dev/null || \
		GOBIN="$(CURDIR)/build" CGO_ENABLED=0 go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 || true
	@if [ -x build/actionlint ]; then build/actionlint; else echo "skipped: actionlint, which needs Go and its modules"; fi
	@$(BIN)/towncrier build --draft --version next >/dev/null 2>&1 || $(BIN)/towncrier build --draft --version next

$(VENV)/.docs: pyproject.toml | $(MADE)
	@$(BIN)/python -m pip -q install -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## the documentation site, in build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict
	@echo "build/site/index.html"

bench: $(VENV)/.dev build/otelcol ## all benchmark tables, an hour or two
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

transparency: $(MADE) ## the test suites of others, bare and instrumented, an hour; ONLY="uvloop" is one of them
	@$(BIN)/python tests/transparency/run.py $(if $(ONLY),--only "$(ONLY)") --write --verbose

wheels: $(VENV)/.dev ## the sdist, the pure wheel and a compiled one per Python of this machine, each used once; in build/wheels
	@$(BIN)/python .ci/build_wheels.py

clean: ## remove what was made
	@rm -rf $(VENV) build dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
