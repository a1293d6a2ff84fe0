# Everything below runs in .venv; each target makes it first, which is quick when nothing changed.
#
#   make install PIP_ARGS="--index-url URL"   takes torch from another index, say the small CPU build (see README)
#   make install PYTHON=/opt/bin/python3.12   uses that interpreter
#   make install CONSTRAINTS=                 takes the newest versions, not those of constraints.txt (into a new .venv)
#   make test TEST_JOBS=4                     runs the tests in four processes

PIP_ARGS ?=
PYTHON ?=
CONSTRAINTS ?= constraints.txt
# Where constraints.txt does not fit a Python, the newest versions are taken; a CONSTRAINTS that was asked for is strict.
LOCK_MAY_GIVE_WAY := $(if $(filter file,$(origin CONSTRAINTS)),true,false)
TEST_JOBS ?= 2
# Slow tests often wait for processes of theirs.
SLOW_TEST_JOBS ?= 3
# Tests start hundreds of processes: each with one thread, and none compiles what another has compiled.
FOR_TESTS := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
# What python -m benchmarks everything --help lists: --threads 1, --quick, --data-root FOLDER (Multi30k's files) ...
BENCH_ARGS ?=
BENCH_RESULTS ?= benchmarks/results
COMPARE_ARGS ?= data=controlled study=controlled
DASHBOARD_ARGS ?=
FILL_ARGS ?=
# All of docs/notebooks, or some: NOTEBOOKS=docs/notebooks/your_own_corpus.ipynb
NOTEBOOKS ?=
FUZZ_FOLDER ?= outputs/fuzz
FUZZ_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
ALIGNER := .venv-eflomal
COMET := .venv-comet
AUDIT := .venv-audit
INSTALLED := $(VENV)/.installed
LOG := $(VENV)/install.log

.DEFAULT_GOAL := help
.PHONY: help install compare dashboard figures notebooks docs test test-slow fuzz lint format peers bench aligner comet constraints audit

help:  ## show these lines
	@awk -F ':.*## *' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED)  ## make .venv with the package, editable, and its tools, in the versions of constraints.txt

compare: install  ## train a fixed-context and an attention model on the built-in corpus; print the report's path
	$(BIN)/rnnsearch compare $(COMPARE_ARGS)

dashboard: install  ## serve reports, TensorBoard, Optuna's and MLflow's pages of outputs/; print the addresses
	@$(BIN)/rnnsearch dashboard $(DASHBOARD_ARGS)

figures: install  ## fill in the figures that README, docs and experiments quote, from committed records
	$(BIN)/python -m experiments.fill $(FILL_ARGS)

notebooks: install  ## execute the notebooks of docs/notebooks in place and clean their outputs; minutes each
	$(BIN)/python docs/notebooks/execute.py $(NOTEBOOKS)

docs: install  ## build the documentation into site/, warnings as errors; print its first page's path
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo $(CURDIR)/site/index.html

test: install  ## the quick tests
	$(FOR_TESTS) $(BIN)/python -m pytest -m "not slow" -n $(TEST_JOBS) --durations=10

test-slow: install  ## the slow tests: packaging, real downloads, long properties
	$(FOR_TESTS) $(BIN)/python -m pytest -m slow -n $(SLOW_TEST_JOBS) --durations=10

fuzz: install  ## every wrong value of every key as a command; hours, FUZZ_ARGS="200 1" for some (how many, seed)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.config.wrong_values $(FUZZ_FOLDER) $(FUZZ_ARGS)

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install peers  ## time training, memory and translation beside other systems; about 45 minutes, 2 cores
	$(BIN)/python -m benchmarks everything --results $(BENCH_RESULTS) --peers $(PEERS)/bin/python $(BENCH_ARGS)

audit: $(AUDIT)/.installed  ## look up known vulnerabilities of what constraints.txt names; says so where that can't be done
	@$(AUDIT)/bin/python .ci/audit $(AUDIT)/bin/python

constraints:  ## write constraints.txt anew: the newest versions that pyproject.toml allows, in a .venv of its own
	rm -rf .venv-constraints
	$(MAKE) install VENV=.venv-constraints CONSTRAINTS=
	echo "# The versions that CI installs; make constraints writes them anew." > constraints.txt
	.venv-constraints/bin/python -m pip freeze --disable-pip-version-check --exclude-editable \
	  | sed -n 's/^\([^ @]*==[^+]*\).*/\1/p' >> constraints.txt
	rm -rf .venv-constraints

peers: $(PEERS)/.installed  ## make .venv-peers, with the systems that the benchmarks compare with

aligner: $(ALIGNER)/.installed  ## make .venv-eflomal, with the word aligner that experiments/word_alignment compares with

comet: $(COMET)/.installed  ## make .venv-comet, with the learnt metric that evaluate runs for comet.checkpoint=PATH

$(AUDIT)/.installed: $(INSTALLED)
	$(BIN)/python -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.10,<3'
	@touch $@

$(ALIGNER)/.installed: $(INSTALLED)
	$(BIN)/python -m venv $(ALIGNER)
	$(ALIGNER)/bin/python -m pip install --disable-pip-version-check --no-binary eflomal eflomal==2.0.0
	@touch $@

# With the torch of this project, which its index may have as a small CPU build; what COMET imports of setuptools is gone later.
$(COMET)/.installed: $(INSTALLED)
	$(BIN)/python -m venv $(COMET)
	$(COMET)/bin/python -m pip install --disable-pip-version-check --prefer-binary $(PIP_ARGS) \
	  unbabel-comet==2.2.7 'setuptools<81' "$$(grep '^torch==' constraints.txt)"
	@touch $@

# Two of OpenNMT-py's transforms are removed: it imports all of them, and they want spacy and fasttext.
$(PEERS)/.installed: benchmarks/peers.txt $(INSTALLED)
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --disable-pip-version-check --prefer-binary $(PIP_ARGS) -r benchmarks/peers.txt
	$(PEERS)/bin/python -m pip install --disable-pip-version-check --no-deps joeynmt==2.3.0 OpenNMT-py==3.5.1
	rm -f $(PEERS)/lib/python3*/site-packages/onmt/transforms/terminology.py
	rm -f $(PEERS)/lib/python3*/site-packages/onmt/transforms/clean.py
	@touch $@

# The first interpreter of a fitting version that can make environments; a sentence where there is none.
$(INSTALLED): pyproject.toml $(CONSTRAINTS)
	@python=; version=; \
	for candidate in $(or $(PYTHON),python3.12 python3.11 python3.13 python3.14 python3); do \
	  $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null || continue; \
	  version=$$candidate; \
	  if $$candidate -c 'import venv, ensurepip' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$version" ]; then \
	  echo "rnnsearch needs Python 3.11 to 3.14 and finds none; name one: make install PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	elif [ -z "$$python" ]; then \
	  echo "$$version cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "$(VENV): $$($$python --version)"; \
	trap 'exit 130' INT; \
	$$python -m venv $(VENV) || exit 1; \
	: >$(LOG); \
	add() { \
	  echo "$(VENV): rnnsearch and its tools, $$1; a few minutes, log in $(LOG)"; shift; \
	  $(BIN)/python -m pip install --disable-pip-version-check --prefer-binary $(PIP_ARGS) "$$@" --editable '.[dev]' >>$(LOG) 2>&1; \
	}; \
	if [ -z "$(CONSTRAINTS)" ]; then \
	  add "in the newest versions"; \
	elif ! add "in the versions of $(CONSTRAINTS)" --constraint $(CONSTRAINTS); then \
	  $(LOCK_MAY_GIVE_WAY) && grep -qE 'ResolutionImpossible|No matching distribution' $(LOG) && \
	    echo "$(VENV): $(CONSTRAINTS) does not fit here ($$(grep -m 1 ERROR $(LOG)))" && add "in the newest versions"; \
	fi || { tail -n 20 $(LOG) >&2; echo "make install failed; the whole log is $(LOG)" >&2; exit 1; }
	@touch $@
