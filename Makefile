# Kaquan 卡券. `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help install install-dev demo run test check bench proof assets translations shots docs clean

# The first Python of at least 3.11; PYTHON=… chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := core stores cards coupons checkout sharing push
# Test processes: they also wait (browser, database, password hashing), so one more than there are cores.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$", $$2); printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed ## environment and dependencies in .venv

install-dev: .venv/.installed-dev ## the same, with what tests and checks need

demo: install ## a demo chain with members and history on http://localhost:$${PORT:-8000}; Ctrl-C ends it
	@$(BIN)/python tools/system.py --optional font
	@exec $(BIN)/flask --app wsgi demo

run: install ## migrate and serve what the settings name: web, clock and worker
	@$(BIN)/flask --app wsgi db upgrade
	@exec $(BIN)/flask --app wsgi serve --host $${HOST:-0.0.0.0} --with-workers

test: install-dev ## every test, on SQLite and on PostgreSQL (ARGS=… for pytest, WORKERS=…)
	@$(BIN)/python tools/system.py chromium font
	@# With KAQUAN_REVERSED=1, rows come in the reverse of any order that nobody asked PostgreSQL for.
	@# Byte code is kept: each test process reads every test, and servers that tests start read the program.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) $(ARGS)

check: install-dev ## linters and type checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)

bench: install-dev ## benchmarks: each a ratio to a limit measured in the same run (ARGS=--help)
	@$(BIN)/python tools/system.py font sqlite3
	@$(BIN)/python -m benchmarks $(ARGS)

proof: install-dev ## storms of parallel requests, web processes killed in them, the books compared (ARGS=--help)
	@$(BIN)/python -m proof $(ARGS)
	@# Pushes of whole years, against the model; make test lives a part of one.
	@$(if $(ARGS),,KAQUAN_YEARS=$(or $(YEARS),1) $(BIN)/pytest -q -n $(WORKERS) tests/properties/test_push_year.py)

assets: install-dev ## fetch the front-end files in app/static/vendor again, by npm, and write assets.lock
	$(BIN)/python tools/assets.py

translations: install ## add new sentences to the Chinese catalogues, and list those without Chinese
	$(BIN)/python tools/translations.py

shots: install-dev ## pictures of every page in var/shots: phone and desk, both languages (ARGS=--help)
	@$(BIN)/python tools/system.py chromium font
	@$(BIN)/python tools/shots.py $(ARGS)

docs: install ## write docs/reports.md from the columns of the CSV pack
	$(BIN)/flask --app wsgi reports dictionary --out docs/reports.md

clean: ## remove the environment and what tests and builds leave behind; keeps the data in var/
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find app -name '*.mo' -delete

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Kaquan needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(PYTHON) tools/system.py venv
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt | .venv/bin/python
	$(PIP) install -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(PIP) install -r requirements-dev.txt
	@touch $@
