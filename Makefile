# `make demo` and `make test` set everything up by themselves; PYTHON names another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# `make test COV=1` measures coverage; `make test-slow COV=1` after it adds its own and prints the sum.
COV ?=
PYTEST := $(BIN)/pytest -n 2 --dist worksteal -q

.PHONY: demo test test-slow lint docs bench clean

demo: $(VENV)/demo
	$(BIN)/isthmus demo --force

# What a change needs every time. Most of its time is compilation, so XLA optimizes little here (a third of the time per
# program); `make test-slow` compiles as users do. Programs are kept in the user's cache folder: a second run is quicker.
test: $(VENV)/dev
	XLA_FLAGS="--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false $$XLA_FLAGS" $(PYTEST) -m "not slow" $(if $(COV),--cov --cov-report=)

# What takes longer: documents, examples, fuzzing, several processes, Ray, planted truths.
test-slow: $(VENV)/dev
	$(PYTEST) -m slow $(if $(COV),--cov --cov-append --cov-report=term:skip-covered)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site in both languages, in site/; a warning is an error.
docs: $(VENV)/dev
	$(BIN)/python scripts/build_site.py

bench: $(VENV)/bench
	cd benchmarks && for script in startup narrow epoch encode stream shuffle scale processes against_pca sparse_epoch topk planted denoising_epoch convolution; do ../$(BIN)/python $$script.py || exit 1; done

clean:
	rm -rf $(VENV) runs build site .cache dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("isthmus needs Python 3.11 or newer; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e ".[samples]"
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e ".[samples,dev,docs]"
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(PIP) -e ".[samples,bench]"
	@touch $@
