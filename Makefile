# `make` alone lists the targets. Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
PREFIX ?= /opt/threadchat
CONFIG ?= /etc/threadchat
UNITS ?= /etc/systemd/system
MAN ?= /usr/local/share/man/man1

.PHONY: help run test lint format install uninstall bench clean

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

install:  ## put a venv, the units and a commented configuration in place (DESTDIR, PREFIX)
	$(PYTHON) -m venv $(DESTDIR)$(PREFIX)
	rm -rf build  # setuptools would pack what is left there
	$(DESTDIR)$(PREFIX)/bin/python -m pip install --quiet --no-compile --upgrade .
	@# The scripts and the bytecode are to name the place they are for, not the one they were made in.
	cd $(DESTDIR)$(PREFIX) && grep -lIr '$(DESTDIR)$(PREFIX)' bin pyvenv.cfg | xargs sed -i 's|$(DESTDIR)$(PREFIX)|$(PREFIX)|g'
	$(DESTDIR)$(PREFIX)/bin/python -m compileall -q -f -s '$(DESTDIR)' $(DESTDIR)$(PREFIX)/lib
	install -d $(DESTDIR)$(UNITS) $(DESTDIR)$(CONFIG)
	for unit in threadchat.service threadchat.socket; do \
		sed 's|/opt/threadchat|$(PREFIX)|; s|/etc/threadchat|$(CONFIG)|' systemd/$$unit >$(DESTDIR)$(UNITS)/$$unit; done
	[ -e $(DESTDIR)$(CONFIG)/threadchat.toml ] || install -m 644 systemd/threadchat.toml $(DESTDIR)$(CONFIG)
	install -d $(DESTDIR)$(MAN)
	$(DESTDIR)$(PREFIX)/bin/python -I -m threadchat.cli.manual $(DESTDIR)$(MAN)
	@echo "Now: systemctl daemon-reload; systemctl enable --now threadchat.socket threadchat.service"

uninstall:  ## remove what install put in place; the configuration and the history stay
	rm -rf $(DESTDIR)$(PREFIX) $(DESTDIR)$(UNITS)/threadchat.service $(DESTDIR)$(UNITS)/threadchat.socket
	rm -f $(DESTDIR)$(MAN)/threadchat.1 $(DESTDIR)$(MAN)/threadchat-client.1

bench: .venv/ready  ## measure against the peers, write benchmarks/README.md (45 minutes)
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove what the targets made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/bin
