# What users and CI call. `make run` and `make test` work on a fresh machine; nothing is needed before them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := tests/lab/town.pcapng.xz

.PHONY: help run test lint lock docs bench soak model tools lab lab-benign clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/.ready: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" deploy/make-venv $(VENV)
	@touch $@

run: $(VENV)/.ready ## Replay the sample capture: flows, scores, incidents
	$(BIN)/monitor replay $(SAMPLE)

tools: ## Install what the tests need from Debian's packages (root or sudo)
	@tests/install-tools

lint: $(VENV)/.ready ## ruff, mypy --strict, the linter of hunts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m monitor.detect.lint

test: $(VENV)/.ready tools lint ## Install what the tests need and run them all
	$(BIN)/pytest -m "not bench"

bench: $(VENV)/.ready tools ## Long measurements; writes benchmarks/RESULTS.md
	-@tests/debian-packages linux.uml=user-mode-linux
	benchmarks/run

soak: $(VENV)/.ready tools ## Half an hour of 50 k packets/s through the live sensor; draws benchmarks/soak.svg (root)
	$(BIN)/python -m benchmarks.live soak

model: $(VENV)/.ready ## Train models/default from the benign captures in ../shared/data
	$(BIN)/python -m benchmarks.train_default

docs: $(VENV)/.ready ## Renew what is generated: docs/flows.md, metrics.md, settings.md, Grafana's dashboards
	$(BIN)/python -m monitor.flows.column_docs > docs/flows.md
	$(BIN)/python -m monitor.alerts.metric_docs > docs/metrics.md
	$(BIN)/python -m monitor.setting_docs > docs/settings.md
	$(BIN)/python -m dashboards.build

lab: $(VENV)/.ready ## Record a session of the lab town with its ground truth into build/lab (root)
	@tests/lab/install
	$(BIN)/python -m tests.lab.record -o build/lab/town.pcapng.xz

lab-benign: $(VENV)/.ready ## Record an hour of an office without attacks into build/lab/office.pcapng (root)
	@tests/lab/office/install
	$(BIN)/python -m tests.lab.office.record -o build/lab/office.pcapng

lock: ## Renew the pinned, hashed list of packages
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install -q uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra build --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --upgrade -q -o requirements.lock
	rm -rf $(VENV)-lock

clean: ## Remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
