# `make run` and `make test` on a machine with Python >= 3.11, make and a C++ compiler; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
# Large parts of packages that are seldom imported, or never.
SELDOM := /(tests?|testing|transformers/models|moto|ray/(rllib|serve|tune|train|data)|torch/(testing|ao|onnx)|sympy/physics)/
# pip would compile on one core what compileall does on all.
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: run test pytest lint format bench clean help

help:
	@echo "make run     runs examples/quickstart.yaml from raw text to a model and a report"
	@echo "make test    checks style and types and runs the whole test suite"
	@echo "make format  rewrites the code in the project's format"
	@echo "make clean   removes .venv, runs and caches"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), f"Python >= 3.11 is needed, this is {sys.version.split()[0]}"'
	@echo "installing into $(VENV): some minutes, about 2 GB"
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e '.[train,dev]'
	$(VENV)/bin/python -m compileall -q -j 0 -x '$(SELDOM)' $(VENV)/lib >/dev/null 2>&1 || true
	touch $(INSTALLED)

run: $(INSTALLED)
	$(VENV)/bin/headrace run examples/quickstart.yaml

# Types are checked while tests run.
test: $(INSTALLED)
	$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(INSTALLED)
	$(VENV)/bin/python -m pytest

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(INSTALLED)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
