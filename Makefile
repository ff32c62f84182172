.DEFAULT_GOAL := help
.PHONY: help doctor setup run stop test test-fast fuzz e2e lint format bench dist clean

daas := .venv/bin/daas

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

doctor: ## name what this machine lacks, each with one line that installs it
	@tools/doctor.sh

setup: ## .venv from the locks, the control-plane binary (seconds when nothing has changed)
	@tools/setup.sh

run: setup ## set up, start everything in the background, say how to use and stop it
	@$(daas) up

stop: ## stop what `make run` started (state is kept)
	@$(daas) down

test: setup ## set up, then the whole suite, the real control plane included
	@tools/test.sh

test-fast: ## the suite without the control plane (sets up Python only)
	@tools/setup.sh --python-only
	@.venv/bin/python -m pytest -q -n 4 -m "not e2e"

fuzz: ## fuzz every parser, 30 s each (tools/fuzz.sh SECONDS TARGET... for more)
	@tools/setup.sh --python-only
	@tools/fuzz.sh

e2e: setup ## only the tests with the real control plane
	@.venv/bin/python -m pytest -m e2e

lint: ## ruff, mypy --strict, import rules
	@tools/setup.sh --python-only
	@tools/lint.sh

format: ## let ruff format and fix
	@tools/setup.sh --python-only
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench: setup ## the signed path beside `kubectl proxy`, and how long a start takes
	@$(daas) bench start
	@$(daas) bench path

dist: setup ## wheels of the eight distributions and the control-plane binary into dist/
	@tools/dist.sh

clean: ## remove what was built here (.venv, dist, caches of tools); instances and ~/.cache/daas stay
	@tools/clean.sh
