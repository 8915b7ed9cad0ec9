"""Each family's page says the same things in the same order, is short, and quotes only what is published."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

PAGES = sorted((ROOT / "docs" / "families").glob("*.md"))
MOST_WORDS = 900
SECTIONS = ("Our reading", "What was found", "Try it")
FIGURE = re.compile(r"\d+(?:\.\d+)?")


def figures(text: str) -> set[str]:
    """The numbers in prose: not those of addresses, pictures and code."""
    return set(FIGURE.findall(re.sub(r"\]\([^)]*\)|`[^`]*`", "", text)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_familys_page_is_short_whole_and_quotes_what_is_published(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.split()) <= MOST_WORDS
    at = [text.index(f"\n## {section}\n") for section in SECTIONS]
    assert at == sorted(at)
    found = text[at[1] : at[2]]
    assert re.search(r"!\[[^\]]+\]\(\.\./pictures/[\w/]+\.svg\)", found), "no picture of published results"
    published = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    missing = figures(found) - set(FIGURE.findall(published))
    assert not missing, f"{page.name}: {missing} stand in no finding of results/README.md"


def test_there_are_families():
    assert len(PAGES) >= 7
