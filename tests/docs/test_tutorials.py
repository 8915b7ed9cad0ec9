"""Tutorials are short and end in a picture that is kept, small, and drawn of what the page compares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from docs.generate.tutorials import ENDS_IN
from labelbench_plus.plugins import registry
from tests.docs.links import links
from tests.docs.pages import ROOT, blocks

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PICTURES = ROOT / "docs" / "pictures" / "tutorials"
MOST_WORDS, MOST_BYTES = 700, 150_000


def shown(page: Path) -> Path:
    """The one picture of a page."""
    found = [link for link in links(page.read_text(encoding="utf-8")) if link.endswith((".svg", ".png"))]
    assert len(found) == 1
    return (page.parent / found[0]).resolve()


def test_each_page_has_its_picture_and_each_picture_its_page():
    assert {page.stem for page in PAGES} == set(ENDS_IN)
    assert sorted(map(shown, PAGES)) == sorted(PICTURES.iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_is_short_says_first_what_one_will_have_and_ends_in_a_picture(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.split()) <= MOST_WORDS
    assert re.match(r"# [^\n]+\n\nAt the end ", text)
    picture = shown(page)
    assert picture.stem == page.stem
    content = picture.read_bytes()
    assert len(content) <= MOST_BYTES
    if picture.suffix == ".png":
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        return
    (suite,) = [block for block in blocks(text) if block.verb == "file" and "\nstrategies:" in block.text]
    titles = [registry("strategies").load(name).title for name in yaml.safe_load(suite.text)["strategies"]]
    assert not [title for title in titles if f">{title}<" not in content.decode()], "draw it anew: make pictures"


def test_the_front_page_leads_to_each():
    there = links((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    assert {f"tutorials/{page.name}" for page in PAGES} <= set(there)
