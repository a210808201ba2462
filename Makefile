# What people and programs do in a checkout. Everything happens inside .venv; nothing is installed elsewhere.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
READERS := .venv-readers

.PHONY: help setup demo test lint torture store-torture fleet-test community schedules living day mutants readers-test pictures bench image-test man clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## Make the virtual environment and install everything into it

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

demo: $(READY) ## Export from a simulated Telegram into demo-archive/ and check every message
	@rm -rf demo-archive demo-archive-html
	$(BIN)/tgbulk demo -o demo-archive

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

torture: $(READY) ## Kill processes of exports a thousand times; nothing may be lost (ARGS="--kills 100")
	PYTHONPATH=tests $(BIN)/python -m disaster.torture $(ARGS)

store-torture: $(READY) ## Kill exports and publishers 200 times; what the store has is never damaged (ARGS="--kills 50")
	PYTHONPATH=tests $(BIN)/python -m disaster.publishing $(ARGS)

community: $(READY) ## Export a channel of 20,000 posts, 200,000 comments and 5,000 members, killed ten times (ARGS="--kills 3")
	PYTHONPATH=tests $(BIN)/python -m disaster.community $(ARGS)

fleet-test: $(READY) ## Three hosts export 60 chats, are killed, suspended, without database and store (ARGS="--kills 10 --chats 6")
	PYTHONPATH=tests $(BIN)/python -m disaster.fleet_scenario $(ARGS)

schedules: $(READY) ## Export changing chats from a server in trouble 300 times; nothing may be lost (ARGS="--count 30 --accounts 20")
	PYTHONPATH=tests $(BIN)/python -m disaster.schedule $(ARGS)

living: $(READY) ## Change chats while exports and followers run, are killed and go on, 100 times (ARGS="--count 20")
	PYTHONPATH=tests $(BIN)/python -m disaster.living $(ARGS)

day: $(READY) ## Follow chats for a day of which an hour takes a minute, with outages: nothing grows or is missed (ARGS="--hours 4")
	PYTHONPATH=tests $(BIN)/python -m disaster.day $(ARGS)

mutants: $(READY) ## Change the code at 200 places, one at a time: do tests notice? (ARGS="--only engine/ --count 50 --seed 2")
	@$(BIN)/python -c 'import cosmic_ray' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mutants]'
	PYTHONPATH=tests $(BIN)/python -m mutants.runner $(ARGS)

.PHONY: readers
readers: $(READERS)/.ready ## Install programs of others that read result.json and pages (.venv-readers); the tests use them

$(READERS)/.ready: setup.cfg | $(READY)
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[readers]'
	@if command -v npm >/dev/null; then npm install --silent --no-save --prefix $(READERS) telegram-chat-parser@1.0; fi
	@touch $@

readers-test: readers ## Let them read
	$(BIN)/python -m pytest -n 0 tests/stages/render/test_desktop_readers.py tests/stages/render/html/test_readers.py

pictures: $(READY) ## Draw the README's pictures from a real run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[pictures]'
	$(BIN)/python -m tgbulk.perf.pictures.export docs/pictures
	$(BIN)/python -m tgbulk.perf.pictures.render docs/pictures

bench: $(READY) ## Measure speed, memory and calls against other programs (ARGS=--quick: a minute)
	$(BIN)/python -m tgbulk.perf.bench $(ARGS)

image-test: $(READY) ## Run the Dockerfile's steps without Docker, on files that are thrown away (needs root and the network)
	PYTHONPATH=tests $(BIN)/python -m support.dockerfile

man: $(READY) ## Write man pages to build/man
	$(BIN)/python -m tgbulk.cli.man build/man

clean: ## Remove all that the other targets made
	rm -rf .venv $(READERS) demo-archive demo-archive-html bench-results build dist scripts/*.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
