# Each target sets up .venv by itself, and only when requirements.txt has changed.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
READY := .venv/.ready

.PHONY: environment demo test check clean help

help:
	@echo "make environment    .venv with what requirements.txt pins"
	@echo "make demo    environment, then the whole pipeline on the embedded demo"
	@echo "make test    environment, then the test suite"
	@echo "make check   environment, then ruff, mypy --strict and the import contracts"
	@echo "make clean   remove what the tools left (data/, the environment and DVC's cache stay)"

$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

environment: $(READY)

demo: $(READY)
	dvc repro
	dvc metrics show
	python -m stages.compare.plots
	@echo "reasons: $(CURDIR)/data/demo/reasons/index.html"

test: $(READY)
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --no-loadscope-reorder

check: $(READY)
	ruff check .
	ruff format --check .
	mypy
	lint-imports

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dvc_plots build
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
