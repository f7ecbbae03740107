# Everything that is done to this repository by hand, in one place. `make help` lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
ROOMS := alarms commands console dashboards decoders deploy edge ingest khaen simulators store
CODE := $(ROOMS) tests scripts $(wildcard benchmarks)
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header pyproject.toml

.PHONY: help setup demo up test check bench soak conformance packages generated format lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

# What runs, and what is needed to develop; the second holds the first, at the same versions.
.venv/ready-server: requirements/server.txt scripts/set-up
	@scripts/set-up server

.venv/ready-dev: requirements/dev.txt scripts/set-up
	@scripts/set-up dev

setup: .venv/ready-dev ## the virtual environment with everything, from the lock files

demo: .venv/ready-server ## a simulated site on this machine; ARGS="--for 45 --report report.json"
	@$(BIN)/khaen demo $(ARGS)

up: .venv/ready-server ## a real site on this machine; ARGS="--site site.yaml"
	@$(BIN)/khaen up $(ARGS)

packages: ## the Debian packages that the tests need: broker, browser, InfluxDB
	@scripts/install-packages

test: .venv/ready-dev packages ## every test but the long ones; ARGS="-k name"
	$(PYTEST) $(ARGS)

check: .venv/ready-dev ## style, types, layers, and whether what is generated is fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/python scripts/generated.py check

bench: .venv/ready-dev packages ## the measurements, after this machine's facts; ARGS="benchmarks/x.py" for some
	@$(BIN)/python scripts/bench.py $(ARGS)

soak: .venv/ready-dev packages ## the long tests: KHAEN_ROUNDS (100) rounds of kills
	KHAEN_ROUNDS=$${KHAEN_ROUNDS:-100} $(PYTEST) -m soak -o faulthandler_timeout=0 $(ARGS)

conformance: .venv/ready-dev packages ## against what others publish: SRC=folder with checkouts or binaries
	@test -n "$(SRC)" || { echo "make conformance needs SRC=<folder>" >&2; exit 2; }
	SRC="$(SRC)" $(PYTEST) -m conformance $(ARGS)

generated: .venv/ready-dev ## write all that is generated
	@$(BIN)/python scripts/generated.py write

format: .venv/ready-dev ## style, where it can be mended by machine
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lock: .venv/ready-dev ## the lock files anew; ARGS="--upgrade" or ARGS="--upgrade-package NAME"
	$(LOCK) --universal --all-extras -o requirements/dev.txt $(ARGS)
	$(LOCK) --universal --extra server -c requirements/dev.txt -o requirements/server.txt $(ARGS)
	$(LOCK) --python-platform linux --extra edge -c requirements/dev.txt \
		--override requirements/edge-overrides.txt -o requirements/edge.txt $(ARGS)

clean: ## away with the virtual environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
