# Everything runs in .venv, which `make` creates from requirements.lock when it is missing or made from something else.
# PYTHON names the interpreter to make it with, once: it is kept until `make clean`. By default, the newest supported
# one that works, on PATH or under pyenv.
PYTHON ?=
VENV := .venv
AUDIT_VENV := .venv-audit
CLUSTER_VENV := .venv-cluster
S3_VENV := .venv-s3
CLUSTER := $(CLUSTER_VENV)/bin/python -m tools.local_cluster
BIN := $(VENV)/bin
UV ?= uv
MARKET ?= synthetic
DATA ?=
# Options for the command behind a target, for example: make ingest ARGS="--since 30d"
ARGS ?=
UI_PORT ?= 5000
CYCLES ?= 5000
SEED ?= 1
CHAPTER ?=
PAGE ?=

.DEFAULT_GOAL := help
.PHONY: help install demo ingest train ui serve data-docs docs lint types contract test suite test-slow month pictures tiles crash-matrix fault-matrix soak bench bench-data bench-train bench-readers bench-serve bench-wide bench-books bench-pairs bench-sizing bench-scale cluster-install cluster-up cluster-test cluster-down lock audit hooks clean

help:  ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A command that is there need not work: pyenv leaves one for versions that are not switched on, and Debian's python3
# comes without ensurepip. So every candidate is started, and says its version or what it lacks.
define PROBE
import sys
version = sys.version_info[:2]
if not (3, 11) <= version <= (3, 13):
    sys.exit("is Python %d.%d" % version)
try:
    import ensurepip, venv
except ImportError:
    sys.exit("cannot create environments (on Debian and Ubuntu: apt install python%d.%d-venv)" % version)
print("%d.%d" % version)
endef
export PROBE

define INSTALL
set -eu
version= found=
try() {
  if said=$$("$$1" -c "$$PROBE" 2>&1); then version=$$(printf '%s\n' "$$said" | tail -n 1) chosen=$$1; return; fi
  found="$$found  $$1: $$(printf '%s\n' "$$said" | head -n 1)
"
  return 1
}
search() {
  # An activated .venv is what is made, not what it is made from
  PATH=$$(printf '%s' "$$PATH" | tr : '\n' | grep -vxF "$$PWD/$(BIN)" | paste -s -d : -)
  for version_name in 3.13 3.12 3.11; do
    IFS=:
    for folder in $$PATH; do
      if [ -x "$$folder/python$$version_name" ] && try "$$folder/python$$version_name"; then unset IFS; return; fi
    done
    unset IFS
    # What pyenv has is there too, switched on or not; the newest patch first
    for python in $$(ls -r -d "$${PYENV_ROOT:-$${HOME:-}/.pyenv}/versions/$$version_name".*/bin/python 2>/dev/null); do
      if try "$$python"; then return; fi
    done
  done
  IFS=:
  for folder in $$PATH; do
    for name in python3 python; do
      if [ -x "$$folder/$$name" ] && try "$$folder/$$name"; then unset IFS; return; fi
    done
  done
  unset IFS
}
made_from() { cat $(VENV)/.$$1 2>/dev/null || true; }

lock=$$(cksum < requirements.lock)
named=$(PYTHON)
if [ -n "$$named" ]; then
  try "$$named" || true
else
  named=$$(made_from named)
  if [ -z "$$named" ] || ! try "$$named"; then named=; search; fi
fi
if [ -z "$$version" ]; then
  if [ -z "$(PYTHON)" ] && [ "$$(made_from lock)" = "$$lock" ] && $(BIN)/python -c "$$PROBE" >/dev/null 2>&1; then
    version=$$(made_from python)  # nothing to make another one from, and nothing wrong with this one
  else
    printf 'Python 3.13, 3.12 or 3.11 with venv and ensurepip is needed. Found:\n%s' "$${found:-  no Python at all
}" >&2
    echo "Install one of them (on PATH or with pyenv), or name it: make PYTHON=/path/to/python3.13 ..." >&2
    exit 1
  fi
fi
if [ "$$(made_from lock) $$(made_from python)" != "$$lock $$version" ] || ! $(BIN)/python -c "" 2>/dev/null; then
  echo "Creating $(VENV) with Python $$version ($$chosen)"
  "$$chosen" -m venv --clear $(VENV)
  # The installer first, at the locked version; then wheels only: a source archive would run its own code here.
  # pip compiles file by file on one core, tests of packages too; what it leaves out is compiled on all of them, and
  # what does not compile are templates
  awk '/^[a-z]/ {keep = /^pip==/} keep' requirements.lock > $(VENV)/pip.lock
  install="$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes --only-binary :all:"
  $$install -r $(VENV)/pip.lock
  $$install -r requirements.lock
  $(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib > /dev/null 2>&1 || true
  echo "$$version" > $(VENV)/.python
  echo "$$named" > $(VENV)/.named
  echo "$$lock" > $(VENV)/.lock
fi
project=$$(cksum < pyproject.toml)
if [ "$$(made_from project)" != "$$project" ]; then
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index -e .
  echo "$$project" > $(VENV)/.project
fi
endef
export INSTALL

# An environment beside .venv, made anew when its lock changes: $(call from_lock,folder,lock)
define from_lock
lock=$$(cksum < $(2)); if [ "$$(cat $(1)/.lock 2>/dev/null)" != "$$lock" ]; then \
	  echo "Creating $(1) from $(2)" && $(BIN)/python -m venv --clear --without-pip $(1) && \
	  $(BIN)/python -m pip --python $(1)/bin/python install --quiet --disable-pip-version-check \
	    --require-hashes --only-binary :all: -r $(2) && \
	  echo "$$lock" > $(1)/.lock; \
	fi
endef

install:  ## create .venv from requirements.lock (names, versions, hashes)
	@sh -c "$$INSTALL"

demo: install  ## market to protected order, end to end (MARKET=recorded DATA=folder for recorded data)
	$(BIN)/pairity demo --market $(MARKET) $(if $(DATA),--data $(DATA)) $(ARGS)

ingest: install  ## collect OKX data, validate, publish features (ARGS="--since 30d")
	$(BIN)/pairity ingest $(ARGS)

train: install  ## train, backtest, log to MLflow, promote
	$(BIN)/pairity train $(ARGS)

ui: install  ## compare models in the MLflow UI on 127.0.0.1, for looking only
	$(BIN)/pairity ui --port $(UI_PORT) $(ARGS)

serve: install  ## run the trading process (demo trading unless both live switches are set)
	$(BIN)/pairity serve $(ARGS)

data-docs: install  ## build the overview of what was judged with Great Expectations' pages, and say where it is
	$(BIN)/pairity data-docs $(ARGS)

lint: install  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## static types, strict on the core and the transforms
	$(BIN)/mypy

contract: install  ## dependencies point one way
	$(BIN)/lint-imports --no-cache

# Types take half a minute of one core: beside the tests, not before them
test: lint contract  ## everything that CI runs
	@$(MAKE) --no-print-directory --jobs 2 types suite

# Many tests wait for processes, clocks and browsers: three at once keep two cores busy
suite: install  ## the tests alone, without lint, types and contract
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

month: install  ## a month of recorded minutes through the trading process, faults off and on
	$(BIN)/python -m pytest -m month -n 0 -s tests/e2e/test_month.py

# A slow test of the page takes them: what they show was compared with the truth
pictures: install  ## pictures of the page for the documents, of a day of recorded trading (DATA=folder of recordings)
	PAIRITY_RECORDED_DATA=$(DATA) DAY_PICTURES=docs/pictures $(BIN)/python -m pytest -m slow -n 0 tests/e2e/watched_day

tiles: install  ## pictures of a demo for the README, while its page is open (PAGE=address that it printed)
	$(BIN)/python -m tests.e2e.tiles --page "$(PAGE)" $(ARGS)

test-slow: install  ## longer suites, and every property with all of its examples
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -m "slow or hypothesis" -n 2 --dist loadscope

crash-matrix: install  ## kill the trading process at every request, commit and change of a file, and at a dozen places in serve
	$(BIN)/python -m tests.e2e.crash_matrix $(ARGS)
	$(BIN)/python -m pytest -m crash_matrix tests/e2e/crash_matrix/test_whole_process.py

fault-matrix: install  ## every fault and event against every operation, as docs/faults.md says (ARGS="reset hand:" for rows)
	$(BIN)/python -m tests.fault_matrix $(ARGS)

# The order of sets of names is that of the seed, too: the same SEED plays the same chapters
soak: install  ## a trading process through thousands of cycles of mishaps (CYCLES=5000 SEED=1, CHAPTER=n for one of them)
	PYTHONHASHSEED=0 $(BIN)/python -m tests.soak --cycles $(CYCLES) --seed $(SEED) $(if $(CHAPTER),--chapter $(CHAPTER)) $(ARGS)

bench: install  ## every row against its peers in one run, with memory and growth, in benchmarks/RESULTS.md (ARGS=--small)
	$(BIN)/python -m benchmarks $(ARGS)

bench-data: install  ## the data plane against peers: microstructure, pair features, regressions, joins
	$(BIN)/python -m benchmarks data

bench-train: install  ## backtest grid and model fits against peers (ARGS=--small to see whether it runs)
	$(BIN)/python -m benchmarks train $(ARGS)

bench-readers: install  ## what 200 readers and 50 streams of the API cost a decision (ARGS=--small to see whether it runs)
	$(BIN)/python -m benchmarks readers $(ARGS)

bench-serve: install  ## what one live hour costs, by step and size of the universe (ARGS=--small to see whether it runs)
	$(BIN)/python -m benchmarks serve $(ARGS)

bench-wide: install  ## 300 made-up instruments: a year of hours, and all pairs of a month; time and memory (ARGS=--small)
	$(BIN)/python -m benchmarks wide $(ARGS)

bench-books: install  ## five years of books of 300 made-up names, daily and 8-hourly, beside vectorbt; time and memory (ARGS=--small)
	$(BIN)/python -m benchmarks books $(ARGS)

bench-pairs: install  ## a year of hourly features and a training set of 45 to 4,950 pairs; time and memory (ARGS=--small)
	$(BIN)/python -m benchmarks pairs $(ARGS)

bench-sizing: install  ## an instrument-month of minutes, and a pair in Redis: what docs/sizing.md computes with (ARGS=--small)
	$(BIN)/python -m benchmarks sizing $(ARGS)

bench-scale: cluster-install  ## 240 million minutes into microstructure, here and on a cluster of two workers; time, memory, growth (ARGS=--small)
	@$(CLUSTER) up --folder var/cluster-bench; \
	  status=$$?; \
	  if [ $$status = 0 ]; then \
	    LOCAL_CLUSTER=$(CURDIR)/var/cluster-bench $(CLUSTER_VENV)/bin/python -m benchmarks scale $(ARGS); status=$$?; \
	  fi; \
	  $(CLUSTER) down --forget --folder var/cluster-bench; exit $$status

# The extra is locked with everything else of the product at the same versions; moto is a program beside it, and wants
# older libraries, hence its own environment.
cluster-install: install  ## create .venv-cluster (pairity[cluster]) and .venv-s3 (an S3 server for tests) from their locks
	@$(call from_lock,$(CLUSTER_VENV),requirements-cluster.lock)
	@$(call from_lock,$(S3_VENV),tools/s3_server.lock)

cluster-up: cluster-install  ## start Dask (scheduler, two workers), Redis, PostgreSQL and an S3 server on 127.0.0.1
	@$(CLUSTER) up $(ARGS)

cluster-test: cluster-install  ## start a cluster of its own, run the tests of the cluster on it, stop it
	@$(CLUSTER) up --folder var/cluster-test; \
	  status=$$?; \
	  if [ $$status = 0 ]; then \
	    LOCAL_CLUSTER=$(CURDIR)/var/cluster-test $(CLUSTER_VENV)/bin/python -m pytest tests/cluster -m cluster -n 0 -o timeout=1200 $(ARGS); status=$$?; \
	  fi; \
	  $(CLUSTER) down --forget --folder var/cluster-test; exit $$status

cluster-down: cluster-install  ## stop the local cluster (ARGS=--forget to remove its data too)
	@$(CLUSTER) down $(ARGS)

docs: install  ## write docs/features.md from the catalogue
	$(BIN)/python -m feature_repo.documentation > docs/features.md

hooks: install  ## check style, types and floors before every commit (pre-commit, tools of the lock)
	$(BIN)/pre-commit install

lock:  ## recompute requirements.lock, for all Pythons and platforms (needs uv; ARGS=--upgrade for newer versions)
	@command -v $(UV) >/dev/null || { \
	  echo "uv is needed to lock, and '$(UV)' is not there: pip install uv, or name it: make lock UV=/path/to/uv"; \
	  exit 1; }
	$(UV) pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --output-file requirements.lock --quiet $(ARGS)
	$(UV) pip compile pyproject.toml --extra dev --extra cluster --constraint requirements.lock --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" --output-file requirements-cluster.lock --quiet $(ARGS)
	$(UV) pip compile tools/s3_server.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --output-file tools/s3_server.lock --quiet $(ARGS)
	$(UV) pip compile tools/audit.in --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --output-file tools/audit.lock --quiet $(ARGS)

# The tool that checks is no part of what it checks, hence its own environment. It has the versions of its own lock.
audit: install  ## known vulnerabilities in requirements.lock (asks a database; says so where it cannot)
	@lock=$$(cksum < tools/audit.lock); if [ "$$(cat $(AUDIT_VENV)/.lock 2>/dev/null)" != "$$lock" ]; then \
	  $(BIN)/python -m venv --clear --without-pip $(AUDIT_VENV) && \
	  $(BIN)/python -m pip --python $(AUDIT_VENV)/bin/python install --quiet --disable-pip-version-check \
	    --require-hashes --only-binary :all: -r tools/audit.lock && \
	  echo "$$lock" > $(AUDIT_VENV)/.lock || { \
	    echo "not checked: pip-audit cannot be installed, the package index did not give it" >&2; exit 3; }; \
	fi
	@$(AUDIT_VENV)/bin/python tools/audit.py

clean:  ## remove the environment, caches and demo data (never ./var's own data)
	rm -rf $(VENV) $(AUDIT_VENV) $(CLUSTER_VENV) $(S3_VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var/demo-*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
