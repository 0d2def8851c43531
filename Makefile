# Everything runs in .venv, which `make` creates from requirements.lock when it is missing or out of date.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MARKET ?= synthetic
DATA ?=
# Options for the command behind a target, for example: make ingest ARGS="--since 30d"
ARGS ?=
UI_PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help install demo ingest train ui serve data-docs docs lint types contract test test-slow bench bench-data bench-train lock clean

help:  ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed, '$(PYTHON)' is not that; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

install: $(STAMP)  ## create .venv from requirements.lock (names, versions, hashes)

demo: install  ## market to protected order, end to end (MARKET=recorded DATA=folder for recorded data)
	$(BIN)/pairity demo --market $(MARKET) $(if $(DATA),--data $(DATA)) $(ARGS)

ingest: install  ## collect OKX data, validate, publish features (ARGS="--since 30d")
	$(BIN)/pairity ingest $(ARGS)

train: install  ## train, backtest, log to MLflow, promote
	$(BIN)/pairity train $(ARGS)

ui: install  ## compare models in the MLflow UI on 127.0.0.1
	$(BIN)/pairity ui --port $(UI_PORT) $(ARGS)

serve: install  ## run the trading process (demo trading unless both live switches are set)
	$(BIN)/pairity serve $(ARGS)

data-docs: install  ## build Great Expectations' Data Docs and say where they are
	$(BIN)/pairity data-docs $(ARGS)

lint: install  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## static types, strict on the core and the transforms
	$(BIN)/mypy

contract: install  ## dependencies point one way
	$(BIN)/lint-imports --no-cache

test: lint types contract  ## everything that CI runs
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

test-slow: install  ## longer suites
	$(BIN)/python -m pytest -m slow -n 2 --dist loadscope

bench: install  ## measure everything against peers in one run, write benchmarks/results.md
	$(BIN)/python -m benchmarks

bench-data: install  ## the data plane against peers: microstructure, pair features, regressions, joins
	$(BIN)/python -m benchmarks data

bench-train: install  ## backtest grid and model fits against peers (ARGS=--small to see whether it runs)
	$(BIN)/python -m benchmarks train $(ARGS)

docs: install  ## write docs/features.md from the catalogue
	$(BIN)/python -m feature_repo.documentation > docs/features.md

lock:  ## recompute requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --python-version 3.11 --custom-compile-command "make lock" --output-file requirements.lock --quiet

clean:  ## remove the environment, caches and demo data (never ./var's own data)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var/demo-*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
