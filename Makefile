# make run     starts Threadmill; HOST, PORT and PYTHON may be set: make run PORT=9000
# make test    checks everything and runs the tests
# make lint    the checks alone;  make bench, faults, lock, messages, vendor, clean: see README.md

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# An environment whose Python is gone, as after an upgrade of the system, is made anew.
$(shell test -x $(BIN)/python || rm -f $(VENV)/.installed $(VENV)/.installed-dev)

.PHONY: run test bench faults lint lock messages vendor clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py serve --host $(HOST) --port $(PORT)

test: $(VENV)/.installed-dev
	@$(BIN)/python tests/gate.py

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.bench --json
	@$(BIN)/python -m tests.bench_api --json
	@$(BIN)/python -m tests.bench_browser --json
	@$(BIN)/python -m tests.bench_search --json

faults: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.faults --json

lint: $(VENV)/.installed-dev
	@$(BIN)/python tests/gate.py --no-tests

# The stamps are newer than the lists they stand for once these are installed.

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "Installing into $(VENV)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing the tools of the tests into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "$(PYTHON) is not installed. Threadmill needs Python 3.11 or newer: make run PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Threadmill needs Python 3.11 or newer, and $(PYTHON) is older: make run PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks its venv module. On Debian: apt install python3-venv" >&2; exit 1; }
	@mkdir -p "$(VENV)" 2>/dev/null && test -w "$(VENV)" || \
		{ echo "$(VENV) cannot be made here. Name a folder that can: make run VENV=... (and set DATA_DIR)" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear "$(VENV)"

# The pinned lists, from pyproject.toml.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

lock: $(VENV)/.installed-dev
	@$(LOCK) pyproject.toml --output-file requirements.txt
	@$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt

# The browser's libraries, downloaded again into static/.
vendor: $(VENV)/.installed
	@$(BIN)/python deploy/vendor_assets.py

# The words to translate, gathered anew, and the catalogues compiled; needs GNU gettext.
messages: $(VENV)/.installed
	@$(BIN)/python deploy/messages.py

clean:
	@rm -rf $(VENV) tests/api/node/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
