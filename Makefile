# `make run` sets up and starts the server, `make test` sets up and runs all tests.
# Everything is installed into .venv; what is installed is pinned in requirements/constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := requirements/constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check \
	--constraint $(CONSTRAINTS)

# Stamps: a second call has nothing to install.
SERVER_INSTALLED := $(VENV)/.server-installed
TOOLS_INSTALLED := $(VENV)/.tools-installed

# Synapse, which tests federate with, in an environment of its own. Where it cannot be installed
# pytest's summary says what is skipped for want of it.
PEERS := .peers
SYNAPSE := matrix-synapse==1.163.2

.DEFAULT_GOAL := help
.PHONY: help run test lint format reference constraints clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

run: $(SERVER_INSTALLED) ## Set up and start the server on http://localhost:8008.
	@printf '%s\n' \
	  '' \
	  'Myelin starts on http://localhost:8008 and keeps its data in ./data. Ctrl-C stops it.' \
	  '' \
	  'What to do next:' \
	  '  - Open a Matrix client, such as Element, on this machine; as the homeserver enter' \
	  '    http://localhost:8008, then create an account. Only this machine can reach the server.' \
	  '  - Or create an account in another terminal:  $(BIN)/myelin register-user' \
	  '  - To run it for others, begin with:          $(BIN)/myelin init --server-name NAME' \
	  '    and read docs/operations.md.' \
	  ''
	@exec $(BIN)/myelin serve

test: $(TOOLS_INSTALLED) $(PEERS)/.tried ## Set up and run all tests.
	@[ -x $(PEERS)/bin/synapse_homeserver ] && export SYNAPSE_PYTHON=$${SYNAPSE_PYTHON:-$(CURDIR)/$(PEERS)/bin/python}; \
	  exec $(BIN)/python -m pytest

lint: $(TOOLS_INSTALLED) ## Check style, types and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(TOOLS_INSTALLED) ## Format the code and sort its imports.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(SERVER_INSTALLED) ## Write docs/configuration.md and docs/coverage.md anew.
	$(BIN)/python -m homeserver.runtime.config.reference > docs/configuration.md
	$(BIN)/python -m homeserver.runtime.coverage > docs/coverage.md

# To be called with the oldest Python that is supported: it needs packages that newer ones do not.
constraints: ## Resolve the dependencies anew and pin what comes of it.
	rm -rf build/pin
	$(PYTHON) -m venv build/pin
	build/pin/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	{ echo '# What `make` installs. Made by `make constraints`.'; \
	  build/pin/bin/python -m pip freeze --exclude myelin; } > $(CONSTRAINTS)

clean: ## Remove the environment and what tools left behind; data stays.
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(PEERS)/.tried:
	@[ -n "$$SYNAPSE_PYTHON" ] || { $(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install \
	  --quiet --no-input --disable-pip-version-check '$(SYNAPSE)'; } || echo 'Synapse is not installed.'
	@mkdir -p $(PEERS) && touch $@

$(SERVER_INSTALLED): pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(TOOLS_INSTALLED): pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	@touch $(SERVER_INSTALLED) $@
