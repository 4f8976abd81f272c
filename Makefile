# `make` alone lists the targets. Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
PREFIX ?= /opt/threadchat
BINDIR ?= /usr/local/bin
CONFIG ?= /etc/threadchat
UNITS ?= /etc/systemd/system
MAN ?= /usr/local/share/man/man1

COMMANDS := threadchat threadchat-client
UNIT_FILES := threadchat.service threadchat.socket threadchat@.socket
# Whether this is about the machine itself, and not a directory that plays one: then its systemd is to know.
SYSTEMD := $(if $(DESTDIR),,$(wildcard /run/systemd/system))

.PHONY: help run test coverage lint format install uninstall bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

run: .venv/ready  ## start the chat room on 127.0.0.1:7007
	@exec $(BIN)/threadchat serve

test: .venv/ready  ## run the whole test suite (pass options in ARGS); root runs it as an ordinary user, too
	@tests/run.sh $(ARGS)

coverage: .venv/ready  ## run the test suite, and list the lines and branches that no test reaches
	rm -f .coverage .coverage.*
	-$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/ready  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready  ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

install:  ## as root: a venv, the commands and their manual, the units, a commented configuration (DESTDIR, PREFIX)
	$(PYTHON) -m venv $(DESTDIR)$(PREFIX)
	@# Of a copy: setuptools leaves files of its own where it works, which would be root's here.
	copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp -R setup.cfg pyproject.toml README.md LICENSE threadchat "$$copy" && \
		$(DESTDIR)$(PREFIX)/bin/python -m pip install --quiet --no-compile --upgrade "$$copy"
	@# The scripts and the bytecode are to name the place they are for, not the one they were made in.
	cd $(DESTDIR)$(PREFIX) && grep -lIr '$(DESTDIR)$(PREFIX)' bin pyvenv.cfg | xargs sed -i 's|$(DESTDIR)$(PREFIX)|$(PREFIX)|g'
	$(DESTDIR)$(PREFIX)/bin/python -m compileall -q -f -s '$(DESTDIR)' $(DESTDIR)$(PREFIX)/lib
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(UNITS) $(CONFIG) $(MAN))
	for command in $(COMMANDS); do ln -sfn $(PREFIX)/bin/$$command $(DESTDIR)$(BINDIR)/$$command; done
	for unit in $(UNIT_FILES); do \
		sed 's|/opt/threadchat|$(PREFIX)|g; s|/etc/threadchat|$(CONFIG)|g' systemd/$$unit >$(DESTDIR)$(UNITS)/$$unit; done
	[ -e $(DESTDIR)$(CONFIG)/threadchat.toml ] || install -m 644 systemd/threadchat.toml $(DESTDIR)$(CONFIG)
	$(DESTDIR)$(PREFIX)/bin/python -I -m threadchat.cli.manual $(DESTDIR)$(MAN)
	$(if $(SYSTEMD),systemctl daemon-reload)
	@if [ -n "$(SYSTEMD)" ] && systemctl --quiet is-active threadchat.service; then \
		echo "Installed. To run it, without closing a connection: systemctl restart threadchat"; else \
		echo "Installed. To run it: systemctl enable --now threadchat.socket threadchat.service"; fi

uninstall:  ## as root: remove what install put in place, but for the configuration
	@if [ -n "$(SYSTEMD)" ] && systemctl --quiet is-active 'threadchat*.socket' 'threadchat.service'; then \
		echo "threadchat is running. First: systemctl disable --now threadchat.socket threadchat.service" >&2; exit 1; fi
	for command in $(COMMANDS); do link=$(DESTDIR)$(BINDIR)/$$command; \
		[ "$$(readlink $$link)" != $(PREFIX)/bin/$$command ] || rm $$link; done
	rm -rf $(DESTDIR)$(PREFIX) $(addprefix $(DESTDIR)$(UNITS)/,$(UNIT_FILES)) $(COMMANDS:%=$(DESTDIR)$(MAN)/%.1)
	$(if $(SYSTEMD),systemctl daemon-reload)
	@echo "Removed. Still there, if you want to remove them as well:"
	@ls -d $(DESTDIR)$(CONFIG) $(DESTDIR)$(UNITS)/threadchat*.d $(DESTDIR)/var/lib/private/threadchat 2>/dev/null || true

bench: .venv/ready  ## measure against the peers, write benchmarks/README.md (45 minutes)
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove what the targets made
	rm -rf .venv build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/bin
