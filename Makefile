# Each target sets itself up in .venv; the machine needs Python 3.11 or later with pip, and make.
PYTHON ?= python3
VENV   ?= .venv
GSP    ?= sandbox
BENCH  ?=
BIN    := $(VENV)/bin
DEMO   := $(VENV)/.demo
READY  := $(VENV)/.ready
# What a dependency's version can break, and not each way of each command; `make nightly` runs all.
LOWEST ?= tests/gsp tests/contracts/test_packaging.py tests/model/test_plain.py tests/bulk/test_bulk.py \
          $(addprefix tests/net/test_,aiohttp_internals.py dying_connections.py exchange.py loops.py retry.py \
          transport.py transport_once.py) \
          $(addprefix tests/cli/test_cli_,check.py commands.py consent.py demo.py jobs.py login.py match.py \
          parquet.py policy.py progress_many.py push_files.py xlsx.py) \
          $(addprefix tests/tables/test_tables_,frames.py parquet.py xlsx.py)
MAKE_VENV = $(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ims_async needs Python 3.11 or later; for example: make PYTHON=python3.12")' && \
            $(PYTHON) -m venv
# Python compiles a module when it is first imported; most of what is installed never is.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# Each worker, and each process that a test starts, would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-lowest lint format bench nightly clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(DEMO): pyproject.toml
	@echo 'Installing ims_async and what its shell needs into $(VENV); this takes a minute, and is done once.'
	@$(MAKE_VENV) $(VENV)
	@$(INSTALL) -e '.[cli]'
	@touch $@

$(READY): pyproject.toml
	@echo 'Installing ims_async and what its tests need into $(VENV); this takes a minute, and is done once.'
	@$(MAKE_VENV) $(VENV)
	@$(INSTALL) -e '.[cli,dev,frames]'
	@touch $(DEMO) $@

demo: $(DEMO)  ## run the main job against the embedded simulator, over HTTP on loopback (GSP=vayana for the other GSP)
	$(BIN)/ims-async demo --gsp $(GSP)

lint: $(READY)  ## run ruff, mypy --strict and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff fix and format what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: lowest-ready
lowest-ready:
	@$(MAKE) VENV=.venv-lowest .venv-lowest/.lowest

test-lowest: lowest-ready  ## run what the lowest versions that pyproject.toml allows can break (LOWEST=tests: all tests)
	.venv-lowest/bin/python -m pytest -q -n auto --dist worksteal $(LOWEST)

.venv-lowest/.lowest: pyproject.toml tests/lowest.txt
	$(MAKE_VENV) .venv-lowest
	$(INSTALL) -e '.[cli,dev]' -c tests/lowest.txt
	@touch $@

# Installing waits for the network, and lint has one process.
test:  ## run everything: lint, types, layers, lowest versions, tests; of long sweeps a sample
	$(MAKE) -j2 lint test-lowest
	$(BIN)/python -m pytest -n auto --dist worksteal

bench: $(READY)  ## run the benchmarks beside other libraries, and write benchmarks/RESULTS.md (BENCH=--quick: tiny sizes)
	$(INSTALL) -e '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH)

nightly: $(READY)  ## run what takes too long for each change: whole sweeps (IMS_ENDURANCE=long), branch coverage, fuzzing, kill -9
	IMS_ENDURANCE=long PYTHONDEVMODE=1 $(BIN)/python -m pytest -n auto --cov --cov-report=term
	IMS_ENDURANCE=long PYTHONDEVMODE=1 $(MAKE) test-lowest LOWEST=tests
	$(BIN)/python -X dev -m tests.endurance.job_machine --examples 2000 --steps 40
	$(BIN)/python -m tests.endurance.fuzz --inputs 1000000
	$(BIN)/python -m tests.endurance.crash --rounds 200
	$(BIN)/python -m tests.endurance.crash --rounds 50 --gsp vayana
	$(BIN)/python -m tests.endurance.bulk_worker --rounds 50
	$(BIN)/python -m tests.endurance.bulk_worker --rounds 50 --gsp vayana
	$(BIN)/python -m tests.endurance.each_write --twice

clean:  ## delete what the other targets made
	rm -rf .venv .venv-lowest .mypy_cache .ruff_cache .import_linter_cache .coverage htmlcov
