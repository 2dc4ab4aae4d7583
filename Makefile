# `make` lists the targets. PYTHON picks the interpreter, ARGS goes to the command that is run.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup full dev up test check bench chaos containers wheel assets examples screenshots lock \
	clean programs

CHAOS := tests/chaos tests/planted tests/properties tests/conformance/answers \
	tests/integration/engines tests/integration/test_documented_commands.py \
	tests/integration/test_readme_servers.py tests/browser/test_explore.py
WORKERS ?= 3
EXTRAS := --extra jwt --extra kafka --extra mongo --extra multivariate --extra otel --extra postgres --extra schemas --extra spark

help: ## Show this list
	@[ -t 1 ] && bold=$$(printf '\033[1m') && plain=$$(printf '\033[0m'); \
	awk -F ':.*## ' -v bold="$$bold" -v plain="$$plain" \
		'/^[a-z]+:.*## / { printf "  %smake %-11s%s %s\n", bold, $$1, plain, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime ## Make the environment in .venv, with everything that running needs

full: $(VENV)/.full ## Add what Kafka, Spark, PostgreSQL, MongoDB and traces need

dev: $(VENV)/.dev ## Add what checks and tests need: pytest, ruff, mypy and the like

up: setup ## Start the whole platform on port 8081 (ARGS="--rate 500" passes flags)
	@trap : INT; $(BIN)/rtcdp up $(ARGS) || [ $$? -eq 130 ] # which says that Ctrl-C stopped it

# Jars are fetched while Python's packages are. While the code is checked, Spark's classes are put by,
# and tests are compiled: once, and not by each that runs them. Three files of tests at once, and be it
# on two cores: much of a test is waiting for servers. In the order of their folders: the long ones come
# first, and not at the end, when one would run alone.
test: programs setup ## Set up, check everything and run all tests (ARGS="-k revenue" picks some)
	@$(BIN)/python -m deploy.servers fetch & jars=$$!; trap "kill $$jars; exit 130" INT TERM; \
		$(MAKE) --no-print-directory $(VENV)/.dev || exit; \
		$(BIN)/python -m tests.spark_classes & classes=$$!; \
		$(BIN)/python -m pytest -q --collect-only >/dev/null & compiled=$$!; \
		trap "kill $$jars $$classes $$compiled; exit 130" INT TERM; \
		$(MAKE) --no-print-directory check; checked=$$?; \
		wait $$classes $$compiled; wait $$jars && exit $$checked
	RTCDP_TESTS_OF=$$PPID $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile \
		--no-loadscope-reorder $(ARGS)

# What tests need that Python's packages don't bring.
programs:
	@PYTHON="$(PYTHON)" deploy/system_packages.sh

check: $(VENV)/.dev ## Lint, formatting, types, direction of imports, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; trap "kill $$types; exit 130" INT TERM; \
		$(BIN)/lint-imports && $(BIN)/python -m pytest -q tests/unit/test_tidy.py; \
		checked=$$?; wait $$types && exit $$checked

bench: $(VENV)/.dev ## Measure throughput and latency on this machine
	$(BIN)/python -m bench $(ARGS)

chaos: $(VENV)/.dev ## Attack or break a whole platform (ARGS=edge: what hostile clients do)
	RTCDP_CHAOS=1 $(BIN)/python -m pytest -q -o faulthandler_timeout=3600 $(if $(ARGS),tests/chaos/$(ARGS),$(CHAOS)) \
		$(if $(filter edge,$(ARGS)),--attack full)

containers: $(VENV)/.dev ## Build all images and run them with podman, as root (ARGS="embedded --keep")
	$(BIN)/python -m deploy.containers $(ARGS)

wheel: $(VENV)/.dev ## Build the wheel, run it elsewhere, and list what it is made of (in dist/)
	$(BIN)/python -m deploy.wheel

assets: $(VENV)/.dev ## Fetch again what pages load that others wrote, and check its hashes
	$(BIN)/python -m deploy.vendored_assets

examples: $(VENV)/.dev ## Take the example answers of /docs again, of the same kind of shop
	$(BIN)/python -m deploy.example_answers

screenshots: $(VENV)/.dev ## Take the pictures of the pages again, of a shop that a seed has made up
	$(BIN)/python -m deploy.screenshots $(ARGS)

lock: $(VENV)/.runtime ## Pin what pyproject.toml asks for, with hashes (UPGRADE=1 takes the newest)
	$(PIP) install --require-hashes -r requirements/lock.txt
	$(LOCK) requirements/build.in pyproject.toml -c requirements/constraints.in \
		-o requirements/runtime.txt
	$(LOCK) requirements/build.in pyproject.toml $(EXTRAS) -c requirements/constraints.in \
		-c requirements/runtime.txt -o requirements/full.txt
	$(LOCK) requirements/build.in pyproject.toml $(EXTRAS) --extra dev \
		-c requirements/full.txt -o requirements/dev.txt
	$(LOCK) requirements/tools.in -c requirements/constraints.in -c requirements/dev.txt \
		-o requirements/tools.txt
	$(LOCK) requirements/lock.in -c requirements/dev.txt -o requirements/lock.txt

clean: ## Remove the environment, caches and build output; recorded data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	rm -rf src/*.egg-info
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. \
	Install Python 3.11 or newer, or name yours: make setup PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "rtcdp needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name a newer one: make setup PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) can't make a virtual environment." >&2; \
		echo "Install its venv module (Debian, Ubuntu: apt install python3-venv)." >&2; exit 3; }

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing what running needs into $(VENV)"
	@$(PIP) install --no-compile --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.full: requirements/full.txt $(VENV)/.runtime
	@echo "Installing what Kafka, Spark, PostgreSQL and MongoDB need into $(VENV)"
	@$(PIP) install --no-compile --require-hashes -r requirements/full.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what checks and tests need into $(VENV)"
	@$(PIP) install --no-compile --require-hashes -r requirements/dev.txt
	@touch $@
