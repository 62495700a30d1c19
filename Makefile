# Every target works from nothing but python3: it makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers

.PHONY: help setup demo test soak check format bench train-plaza constraints clean

help:            ## Show the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/: .*##/\t/' | expand -t 16

setup: $(READY)  ## Make .venv with everything pinned

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

demo: $(READY)   ## Run the built-in scene; writes argus-demo/
	$(BIN)/argus demo --once

# Each worker begins with a stretch of its own, so that what a module shares is made once, and who is done takes
# over half of what another has left. Hundreds of processes are started, which need not compile what they import.
# Half of the time a test waits, for a process or a moment, so there are more workers than cores.
test: $(READY)   ## Run the tests (ten to twenty minutes on two cores)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 3 --dist worksteal -m "not soak"

soak: $(READY)   ## Run the long stress tests
	$(BIN)/python -m pytest -m soak --timeout 7200

check: $(READY)  ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) $(PEERS)/.ready ## Measure against the limit and against peers
	$(BIN)/argus bench --peers $(PEERS)/bin/python

$(PEERS)/.ready: tools/peers.txt tools/peers-base.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r tools/peers-base.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tools/peers.txt
	touch $(PEERS)/.ready

train-plaza: $(READY) ## Train builtin:plaza again (needs torch: see tools/train_plaza)
	$(BIN)/python tools/train_plaza/train.py

constraints: ## Pin all versions with hashes (names no index)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet -o constraints.txt

clean:           ## Remove what the targets made
	rm -rf $(VENV) $(PEERS) argus-demo .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
