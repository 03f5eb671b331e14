# Every target makes what it needs: the virtual environment, the installation and, for root, missing system packages.
# Whoever is not root is told what is missing; tests that need it are skipped.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV ?= .venv
BIN := $(VENV)/bin
NEWEST := .venv-newest
PYTHON ?=

# The versions that tests run against; empty for the newest ones that setup.cfg allows.
CONSTRAINTS ?= tests/constraints.txt
PIP_INSTALL = $(if $(CONSTRAINTS),PIP_CONSTRAINT=$(CONSTRAINTS) PIP_BUILD_CONSTRAINT=$(CONSTRAINTS)) \
	$(BIN)/python -m pip install --quiet

# what `make fuzz` runs, seconds for each; all targets if empty
TARGET ?=
SECONDS ?= 600

# what `make oracle` asks, and how often; how many packages of which release `make breadth` installs, how many at once
N ?= 200
SEED ?= 1
RELEASE ?= bookworm
JOBS ?= 1

FOR_DEMO := ca-certificates uidmap
FOR_TESTS := $(FOR_DEMO) buildah chromium cpio crun diffoscope-minimal docker-registry faketime fish gpg gpg-agent libcap2-bin mmdebstrap podman \
	reprepro runc skopeo strace umoci zsh
FOR_BENCH := buildah ca-certificates crun docker-registry mmdebstrap podman runc uidmap

.PHONY: help demo test test-newest constraints lint bench oracle breadth fuzz alarms attacks clean

help:
	@echo 'make demo      build the example image on a base that is built too, and run it'
	@echo 'make test      run all tests, with the versions of tests/constraints.txt'
	@echo 'make test-newest   the same with the newest version of every dependency'
	@echo 'make constraints   write the newest versions to tests/constraints.txt'
	@echo 'make lint      check format, rules and types'
	@echo 'make bench     measure against buildah and mmdebstrap'
	@echo 'make oracle    compare the resolver with apt-get: N=200 SEED=1'
	@echo 'make breadth   install the most used packages alone: N=200 SEED=1 RELEASE=bookworm JOBS=1'
	@echo 'make attacks   run the hostile inputs of the tests alone'
	@echo 'make fuzz      search for input that breaks a reader: TARGET=tar SECONDS=600'
	@echo 'make alarms    search packages of servers and languages for false alarms'
	@echo 'make clean     remove what make made'

# $(call system,PACKAGES): install those that are missing, one by one where the archive does not have them all.
define system
missing=(); \
for package in $(1); do \
	[[ $$(dpkg-query --show --showformat '$${db:Status-Status}' $$package 2>/dev/null) == installed ]] || missing+=($$package); \
done; \
if (($${#missing[@]} == 0)); then \
	:; \
elif ((EUID)) || ! command -v apt-get >/dev/null; then \
	echo "not installed, and only root on Debian can: $${missing[*]}" >&2; \
else \
	export DEBIAN_FRONTEND=noninteractive; \
	install=(apt-get install --yes --quiet=2 --no-install-recommends); \
	apt-get update --quiet=2 || true; \
	"$${install[@]}" "$${missing[@]}" || for package in "$${missing[@]}"; do \
		"$${install[@]}" $$package || echo "cannot be installed: $$package" >&2; \
	done; \
fi
endef

$(BIN)/python:
	@$(call system,python3-venv)
	@for python in $(PYTHON) /usr/bin/python3 python3; do \
		if "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo 'expected Python 3.11 or newer with its module venv (package python3-venv); name one with PYTHON=…' >&2; \
	exit 1

$(VENV)/.installed: setup.cfg pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(PIP_INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@$(call system,$(FOR_DEMO))
	$(BIN)/imgforge build manifests/examples/hello-python/manifest.yaml
	$(BIN)/imgforge run hello-python

test: $(VENV)/.installed-test
	@$(call system,$(FOR_TESTS))
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal --cov --cov-report=term:skip-covered

attacks: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m attack --numprocesses auto --dist worksteal

test-newest:
	rm -rf $(NEWEST)
	$(MAKE) test VENV=$(NEWEST) CONSTRAINTS=

# Run `make test-newest` before the new file is committed.
constraints:
	rm -rf $(NEWEST)
	$(MAKE) $(NEWEST)/.installed-test VENV=$(NEWEST) CONSTRAINTS=
	$(NEWEST)/bin/python -m pip install --quiet --upgrade setuptools  # builds the distribution
	{ echo '# The versions that `make test` installs; `make constraints` writes this file.'; \
	$(NEWEST)/bin/python -m pip freeze --all --exclude-editable --exclude pip; } > tests/constraints.txt.new
	mv tests/constraints.txt.new tests/constraints.txt

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	@$(call system,$(FOR_BENCH))
	$(BIN)/python tests/bench/run.py $(ARGS)

# Search packages of servers and languages for secrets; each finding is a false alarm or a key that everybody has.
alarms: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python tests/privacy/alarms.py $(ARGS)

oracle: $(VENV)/.installed-test
	$(BIN)/python tests/oracle/run.py -n $(N) --seed $(SEED) $(ARGS)

breadth: $(VENV)/.installed-test
	@$(call system,umoci)
	PYTHONPATH=tests $(BIN)/python -m breadth.run -n $(N) --seed $(SEED) --release $(RELEASE) --jobs $(JOBS) $(ARGS)

fuzz: $(VENV)/.installed-test
	$(PIP_INSTALL) --editable '.[fuzz]'
	$(BIN)/python tests/fuzz/run.py $(TARGET) --seconds $(SECONDS)

clean:
	rm -rf $(VENV) $(NEWEST) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* .fuzz
	find imgforge tests -name __pycache__ -prune -exec rm -rf {} +
