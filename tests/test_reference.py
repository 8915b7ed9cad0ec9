"""Publications, and what people call a plugin."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

import pytest

from labelbench_plus.plugins import Plugin, registry
from labelbench_plus.reference import OTHERS, Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from tests.architecture.imports import KINDS

ARXIV = re.compile(r"\d{4}\.\d{4,5}")
DOI = re.compile(r"10\.\d{4,9}/\S+")


@pytest.fixture(scope="module")
def ours() -> dict[str, dict[str, type[Plugin]]]:
    """By kind and name, the plugins that come with the package."""
    return {
        kind: {
            name: registry(kind).load(name)
            for name, entry in registry(kind).entries().items()
            if entry.origin == "built in" or entry.origin.startswith("labelbench-plus ")
        }
        for kind in KINDS
    }


def test_every_built_in_plugin_has_a_title_of_its_own(ours):
    without = [f"{kind}: {name}" for kind in ours for name, cls in ours[kind].items() if cls.title == name]
    assert not without, f"say `title = ...` in the class: {without}"


@pytest.mark.parametrize("kind", KINDS)
def test_titles_tell_the_plugins_of_a_kind_apart(ours, kind):
    titles = [cls.title for cls in ours[kind].values()]
    assert len(set(titles)) == len(titles), sorted(titles)
    for title in titles:
        assert title == title.strip() and 0 < len(title) <= 40 and not title.endswith("."), title


def test_references_are_well_formed(ours):
    references = {
        f"{kind}: {name}": cls.reference for kind in ours for name, cls in ours[kind].items() if cls.reference
    }
    assert references
    for where, reference in references.items():
        assert reference.authors and all(reference.authors) and OTHERS not in reference.authors[:-1], where
        assert reference.authors[0] != OTHERS, where
        assert 1700 <= reference.year <= datetime.date.today().year, where
        if reference.arxiv is not None:
            assert ARXIV.fullmatch(reference.arxiv), where
            first = 2000 + int(reference.arxiv[:2])  # a publication may come years after the preprint, not before it
            assert first <= reference.year, where
        assert reference.doi is None or DOI.fullmatch(reference.doi), where


@pytest.mark.parametrize(
    ("authors", "cited", "listed"),
    [
        (("Lee",), "Lee, 2013", "Lee. On labels. ICML (2013)"),
        (("Lewis", "Gale"), "Lewis & Gale, 2013", "Lewis, Gale. On labels. ICML (2013)"),
        (("Ash", "Zhang", "Agarwal"), "Ash et al., 2013", "Ash, Zhang, Agarwal. On labels. ICML (2013)"),
        (("Ash", OTHERS), "Ash et al., 2013", "Ash et al. On labels. ICML (2013)"),
        (("O'Connell", "Shi", OTHERS), "O'Connell et al., 2013", "O'Connell, Shi et al. On labels. ICML (2013)"),
    ],
)
def test_a_reference_is_cited_shortly_and_listed_in_full(authors, cited, listed):
    reference = Reference(authors, 2013, "On labels", venue="ICML")
    assert str(reference) == cited
    assert reference.in_full() == listed


def test_a_reference_says_where_it_can_be_read():
    assert Reference(("Zhang", OTHERS), 2023, arxiv="2306.09910").url == "https://arxiv.org/abs/2306.09910"
    assert Reference(("Zhang", OTHERS), 2023, doi="10.1000/182").url == "https://doi.org/10.1000/182"
    assert Reference(("Zhang", OTHERS), 2023).url is None


def test_an_entry_for_bibtex_says_what_is_known():
    entry = Reference(("O'Neil", OTHERS), 2023, "On labels", arxiv="2306.09910").bibtex().splitlines()
    assert entry[0] == "@misc{oneil2023," and entry[-1] == "}"
    assert "  author = {O'Neil and others}," in entry and "  title = {{On labels}}," in entry
    assert "  eprint = {2306.09910}," in entry and not any("booktitle" in line or "doi" in line for line in entry)
    assert Reference(("A",), 2020, venue="ICML").bibtex().startswith("@inproceedings{a2020,")


def test_a_plugin_without_a_title_is_called_by_its_name(monkeypatch):
    for table in ("_classes", "_local"):
        monkeypatch.setattr(strategies, table, dict(getattr(strategies, table)))

    @strategies.register("first_try")
    @dataclass(frozen=True)
    class First(PoolStrategy):
        """Says nothing."""

    @strategies.register("second_try")
    @dataclass(frozen=True)
    class Second(strategies.load("margin")):
        """Says nothing, but what it derives from does."""

    assert (First.title, First.reference) == ("first_try", None)
    assert Second.title == "second_try"
    assert str(Second.reference) == "Scheffer et al., 2001"


def test_titles_and_references_are_no_hyperparameters():
    from labelbench_plus.plugins import describe

    assert describe(strategies.build("margin")) == {"name": "margin", "version": 1}
