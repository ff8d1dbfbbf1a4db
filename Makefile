# Everything runs inside .venv, which the first target that needs it makes from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format constraints clean

.venv/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r constraints-uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

demo: .venv/installed
	$(BIN)/python -m benchmarks.cifar10 --preset demo

test: .venv/installed
	$(BIN)/python -m pytest

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Names, versions and hashes only: an index address never belongs in the file.
constraints: .venv/installed
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --extra dev --quiet --output-file constraints.txt pyproject.toml constraints-build.in

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
