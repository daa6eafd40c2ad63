# make quickstart   install into .venv and run the whole pipeline on the images that come with it
# make test         install the test extra into .venv and run the tests
# make check        style, types, and whether the generated files are current
# make bench        the measurements in benchmarks/, each beside its peers
# make completions  write completions/ anew      make docs   write the generated pages in docs/

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=
BENCHMARKS ?= $(wildcard benchmarks/*.py)
python := $(VENV)/bin/python
installed := $(VENV)/.medfm

.PHONY: quickstart install test check bench completions docs clean
.DELETE_ON_ERROR:

quickstart: $(installed)-demo
	$(VENV)/bin/medfm run quickstart

install: $(installed)-demo

test: $(installed)-test
	$(python) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: $(installed)-test
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy -p medfm_cli
	$(python) scripts/generate.py --check

bench: $(installed)-test
	@set -e; for file in $(BENCHMARKS); do echo "== $$file"; $(python) $$file; done

completions docs: $(installed)-demo
	$(python) scripts/generate.py $@

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One stamp for each set of extras, newer than what it was made from. The environment itself is
# made once: $(python) stands for it, and is never older than needed.
$(python):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medfm needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

inputs := pyproject.toml constraints.txt medfm_cli/version.py
$(installed)-demo: extras := train,demo
$(installed)-test: extras := test
$(installed)-demo $(installed)-test: $(inputs) | $(python)
	scripts/install "$(python)" "$(extras)"
	@touch $@
