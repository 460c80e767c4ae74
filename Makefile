# make demo: a photo in every style.   make test: lint, types, tests.   make bench: speed, as ratios in one run.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: demo test bench clean

demo: .venv/demo.done
	$(BIN)/python examples/demo.py out/demo

test: .venv/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

bench: .venv/dev.done
	$(BIN)/python benchmarks/look.py
	$(BIN)/python benchmarks/art.py
	$(BIN)/python benchmarks/command.py
	$(BIN)/python benchmarks/train.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Huafeng needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

.venv/demo.done: pyproject.toml .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[cpu,portrait,demo]"
	touch $@

# torch first and pinned: a looser requirement may fetch gigabytes of CUDA libraries
.venv/dev.done: pyproject.toml .venv/bin/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable ".[cpu,heic,train,evaluate,portrait,demo,dev]"
	touch $@

clean:
	rm -rf .venv out build src/*.egg-info
