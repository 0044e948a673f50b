# Needs Python 3.11 or newer and nothing else. Each target's help is behind its ##.
# Settings come from the environment or the command line: make run PORT=8001

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FLASK := $(BIN)/flask --app wsgi
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"  # Node.js comes with the development requirements

SENTENCES := -F babel.cfg -k gettext -k ngettext:1,2 --sort-output --add-location=file --no-wrap
CATALOGUES := --no-wrap --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

.DEFAULT_GOAL := help
.PHONY: help run psql keys load unload supabase demo test pictures soak uploads check format translations bench clean

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime  ## Start Baton: its database, demo data if empty, the web server
	@exec $(BIN)/python -m web.serve

psql: $(VENV)/.runtime  ## Open a psql prompt on the database that runs
	@exec $(FLASK) psql

keys: $(VENV)/.runtime  ## Print the anon and the service key
	@exec $(FLASK) keys

load: $(VENV)/.runtime  ## Bring a database up to date: make load DATABASE_URL=postgresql://…
	@$(FLASK) load

unload: $(VENV)/.runtime  ## Take everything out of it again, with all data (asks first)
	@$(FLASK) unload

supabase: $(VENV)/.runtime  ## Write config.toml and migrations/ for a Supabase project: make supabase INTO=../shop/supabase
	@$(FLASK) supabase $(if $(INTO),--into "$(INTO)")

demo: $(VENV)/.development  ## Play a minute of traffic against the running server, and show the numbers
	@$(BIN)/python -m demo $(ARGS)

test: $(VENV)/.development node_modules/.installed  ## Run the tests, on Postgres 15 in a container and 18 embedded: make test ARGS="-k loader"
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

pictures: $(VENV)/.development node_modules/.installed  ## Make the pictures anew that the tests compare the screens with; look at what has changed
	@BATON_PICTURES=anew $(BIN)/python -m pytest -n 2 tests/browser/test_screens.py tests/browser/test_bare.py tests/browser/test_corner.py $(ARGS)

soak: $(VENV)/.development  ## Ten minutes of load with sockets cut and processes killed; every message must arrive once
	@$(BIN)/python -m tests.live.soak $(ARGS)

uploads: $(VENV)/.development  ## Ten thousand uploads in parallel, a quarter broken off; folder and tables must agree
	@$(BIN)/python -m tests.files.upload_soak $(ARGS)

check: $(VENV)/.development node_modules/.installed  ## Lint, formatting, types, of Python and JavaScript
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(NODE) node_modules/.bin/tsc

format: $(VENV)/.development  ## Format the Python, and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

translations: $(VENV)/.development  ## Collect the sentences of the screens, for translators: web/translations
	@mkdir -p .cache
	@$(BIN)/python -m babel.messages.frontend --quiet extract $(SENTENCES) -o .cache/messages.pot .
	@$(BIN)/python -m babel.messages.frontend --quiet update -i .cache/messages.pot -d web/translations $(CATALOGUES)

bench: $(VENV)/.development  ## Measure assignment beside procrastinate, live events beside socket.io, screens beside their limits
	@$(BIN)/python -m bench.assignment $(ARGS)
	@$(NODE) $(BIN)/python -m bench.live $(ARGS)
	@$(BIN)/python -m bench.screens $(ARGS)

clean:  ## Remove the virtual environment and caches; the data in .data stays
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.data/*' -prune -exec rm -rf {} +

# The stamps: pip runs only when the requirements have changed.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Choose one: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV) || { echo 'On Debian and Ubuntu: apt install python3-venv' >&2; rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo 'Installing what Baton needs into $(VENV) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt requirements.txt | $(BIN)/python
	@echo 'Installing what developing needs into $(VENV) …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $(VENV)/.runtime $@

node_modules/.installed: package.json | $(VENV)/.development
	@$(NODE) npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@
