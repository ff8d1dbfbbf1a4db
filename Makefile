# Everything runs inside .venv, which the first target that needs it makes from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# Trust what the machine trusts, as pip does; without any such store uv trusts its own.
UV := $(BIN)/uv --quiet $(if $(wildcard /etc/ssl/certs/*.* /etc/ssl/cert.pem /etc/pki/tls/certs/*),--system-certs)
COMPILE := $(UV) --no-config pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate $(if $(UPGRADE),--upgrade)


.PHONY: help demo report test test-benchmarks test-packages check types format docs constraints clean

help:
	@echo 'make demo         run the main job on the built-in stand-in (no data needed)'
	@echo 'make test         run the tests'
	@echo 'make report       results/report.html and the other forms of what was measured'
	@echo 'make check        formatting, lint and types'
	@echo 'make format       format the code and mend what the linter can'
	@echo 'make docs         measured figures into README and docs, and the site into build/site'
	@echo 'make constraints  bring constraints.txt in line with pyproject.toml; UPGRADE=1 takes the newest versions'
	@echo 'make clean        remove .venv and all caches'

demo: .venv/installed
	$(BIN)/python -m benchmarks.cifar10 --preset demo

report: .venv/installed
	$(BIN)/python -m benchmarks.report

# In two processes at once, each with its output in one piece where this make can do that.
test: .venv/installed
	@$(MAKE) --no-print-directory --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) test-benchmarks test-packages

test-benchmarks: .venv/installed
	$(BIN)/python -m pytest tests/benchmarks

test-packages: .venv/installed
	$(BIN)/python -m pytest --ignore=tests/benchmarks

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --silent types

# mypy reads no package's path from its code, so it is shown the five folders where they are installed.
types: .venv/installed
	@mkdir -p build/types/dcgan_features
	@ln -sfn ../../../dcgan_features/__init__.py build/types/dcgan_features/__init__.py
	@for folder in benchmarks data eval features gan; do ln -sfn ../../../$$folder build/types/dcgan_features/$$folder; done
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/installed
	$(BIN)/python -m benchmarks.documents README.md docs/*.md
	$(BIN)/mkdocs build --quiet

# Names, versions and hashes only: a package index's address never belongs in these files.
constraints: .venv/installed
	$(COMPILE) --output-file constraints-uv.txt constraints-uv.in
	$(COMPILE) --extra dev --extra explore --extra hub --extra audio --extra video --extra hdf5 --output-file constraints.txt pyproject.toml constraints-build.in

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache

.venv/installed: constraints.txt constraints-uv.txt pyproject.toml setup.py
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: there is no $(PYTHON); install Python 3.11 or newer, or say which: make PYTHON=/path/to/python'; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1), but 3.11 or newer is needed;" \
			'say which to use: make PYTHON=python3.11'; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'error: $(PYTHON) has no venv module; install it (on Debian and Ubuntu: the package python3-venv)'; exit 2; }
	@echo 'Installing the tested versions into .venv (once; on Linux with the CUDA libraries about 3 GB)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r constraints-uv.txt
	$(UV) pip install --python $(BIN)/python --require-hashes -r constraints.txt
	$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
