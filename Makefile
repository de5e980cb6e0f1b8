# Each target sets itself up in .venv; the machine needs Python 3.11 or later with pip, and make.
PYTHON ?= python3
VENV   ?= .venv
GSP    ?= sandbox
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Runs interrupted at hundreds of moments: they take two minutes, and nothing in them depends on versions.
BREAKS := tests/endurance/test_bulk_killed.py tests/bulk/test_bulk_resume.py tests/endurance/test_bulk_rivals.py

.PHONY: help demo test test-lowest lint format bench nightly clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ims_async needs Python 3.11 or later; for example: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli,dev]'
	@touch $(READY)

demo: $(READY)  ## run the main job against the embedded simulator, over HTTP on loopback (GSP=vayana for the other GSP)
	$(BIN)/ims-async demo --gsp $(GSP)

lint: $(READY)  ## run ruff, mypy --strict and import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff fix and format what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-lowest:  ## run the tests on the lowest versions that pyproject.toml allows
	$(MAKE) VENV=.venv-lowest .venv-lowest/.lowest
	.venv-lowest/bin/python -m pytest -q -n auto $(BREAKS:%=--ignore=%)

.venv-lowest/.lowest: pyproject.toml tests/lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[cli,dev]' -c tests/lowest.txt
	@touch $@

test: lint test-lowest  ## run everything: lint, types, layers, lowest versions, tests with branch coverage
	PYTHONDEVMODE=1 $(BIN)/python -m pytest -n auto --cov --cov-report=term

bench: $(READY)  ## run the benchmarks beside other libraries, and print ratios
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m benchmarks.codec
	$(BIN)/python -m benchmarks.jobs
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.pacing
	$(BIN)/python -m benchmarks.journal
	$(BIN)/python -m benchmarks.bulk

nightly: $(READY)  ## run what takes too long for each change: job machine, fuzzing, kill -9 (some 20 minutes)
	$(BIN)/python -X dev -m tests.endurance.job_machine --examples 2000 --steps 40
	$(BIN)/python -m tests.endurance.fuzz --inputs 1000000
	$(BIN)/python -m tests.endurance.crash --rounds 200
	$(BIN)/python -m tests.endurance.crash --rounds 50 --gsp vayana
	$(BIN)/python -m tests.endurance.bulk_worker --rounds 50
	$(BIN)/python -m tests.endurance.bulk_worker --rounds 50 --gsp vayana

clean:  ## delete what the other targets made
	rm -rf .venv .venv-lowest .mypy_cache .ruff_cache .import_linter_cache .coverage htmlcov
