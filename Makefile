# `make` alone lists the targets. Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run test lint format bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

run: .venv/ready  ## start the chat room on 127.0.0.1:7007
	@exec $(BIN)/threadchat serve

test: .venv/ready  ## run the whole test suite (pass options in ARGS)
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/ready  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready  ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

bench: .venv/ready  ## measure against the peers, write benchmarks/README.md (half an hour)
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove what the targets made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/bin
