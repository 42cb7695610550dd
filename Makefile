# `make run` and `make test` on a machine with Python >= 3.11, make and a C++ compiler; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
# Large parts of packages that are seldom imported, or never.
SELDOM := /(tests?|testing|transformers/models|moto|ray/(rllib|serve|tune|train|data)|torch/(testing|ao|onnx)|sympy/physics|nltk|datasets|evaluate|rouge_score|pandas)/
# pip would compile on one core what compileall does on all.
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: run test pytest lint format bench clean help

help:
	@echo "make run     runs examples/quickstart.yaml from raw text to a model and a report"
	@echo "make task-NAME  fetches the data of an example in examples/tasks and runs it: spam, reviews, entities, ..."
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

# `make task-spam`: fetches the public data of a task and carries out its recipe in examples/tasks.
DATA_spam := spam
DATA_reviews := reviews
DATA_reviews-unbalanced := reviews
DATA_reviews-prompt := reviews smollm2
DATA_entities := entities minilm
DATA_translate-zh := help
DATA_translate-fr := help
DATA_instruct-lora := chat smollm2
DATA_instruct-full := chat smollm2
DATA_domain := domain smollm2
DATA_spam-prompt := spam minilm
DATA_spam-full := spam minilm
DATA_spam-adalora := spam minilm
task-%: $(INSTALLED)
	$(VENV)/bin/python examples/tasks/fetch.py examples/tasks/data $(DATA_$*)
	$(VENV)/bin/headrace run examples/tasks/$*.yaml

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
