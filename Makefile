# What people and programs do in a checkout. Everything happens inside .venv; nothing is installed elsewhere.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test lint torture schedules bench clean

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Make the virtual environment and install everything into it

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

demo: $(READY) ## Export from a simulated Telegram into demo-archive/ and check every message
	@rm -rf demo-archive
	$(BIN)/tgbulk demo -o demo-archive

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

torture: $(READY) ## Kill processes of exports a thousand times; nothing may be lost (ARGS="--kills 100")
	$(BIN)/python tests/disaster/torture.py $(ARGS)

schedules: $(READY) ## Export changing chats from a server in trouble 300 times; nothing may be lost (ARGS="--count 30")
	$(BIN)/python tests/disaster/schedule.py $(ARGS)

bench: $(READY) ## Measure speed, memory and calls against other programs (ARGS=--quick: a minute)
	$(BIN)/python -m perf.bench $(ARGS)

clean: ## Remove all that the other targets made
	rm -rf .venv demo-archive bench-results build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
