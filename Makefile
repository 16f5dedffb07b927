# The two commands a newcomer needs: `make demo` and `make test`. Everything else is below them.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SEGMENT_STAMP := $(VENV)/.installed-segment

.DEFAULT_GOAL := help
.PHONY: help demo segment test lint bench lock clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(STAMP) ## Derive Olemps (12174) at 2019 and 2022 from its real layers; print stocks, flow and where the files are
	$(BIN)/ocsge demo

segment: $(SEGMENT_STAMP) ## Install torch, for the segmentation of orthophotos (ocsge segment, demo --from-ortho)

test: $(SEGMENT_STAMP) lint ## Check style, types and contracts, then run every test
	$(BIN)/python -m pytest

lint: $(SEGMENT_STAMP) ## Check style (ruff), types (mypy) and the direction of imports (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## Measure the engine and its peers on the same scenes; print the table
	$(BIN)/python -m benchmarks.derive

lock: ## Pin every dependency with its hash in requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-annotate \
	  --no-header --extra test --output-file requirements.lock pyproject.toml

clean: ## Remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The stamp is written last: an interrupted installation is taken up again by the same command.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "The venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(SEGMENT_STAMP): requirements-segment.lock $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-segment.lock
	@touch $(SEGMENT_STAMP)
