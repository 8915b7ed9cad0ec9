"""Every relative link in a committed page leads somewhere, where people read it: on a forge, in the tree."""

from __future__ import annotations

import subprocess

import pytest

from tests.docs.links import anchors, dead
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def committed() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no checkout: which files are committed is not known")
    return [name for name in done.stdout.split("\0") if name]


def stubs(pages: dict[str, str]) -> set[str]:
    return {page for page, text in pages.items() if "a page that is generated from the code" in " ".join(text.split())}


def test_every_relative_link_leads_somewhere_on_a_forge(committed):
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in committed if name.endswith(".md")}
    assert len(pages) > 50
    assert not list(dead(pages, committed, stubs(pages)))


def test_a_dead_link_is_named():
    pages = {
        "README.md": "# Read [me](a/b.md)\n[up](a) [b](a/b.md#its-heading-1) [self](#read-me) [out](https://x.org/y)\n"
        "`[code](nowhere.md)`\n```text\n[code](nowhere.md)\n```\n",
        "a/b.md": "## Its heading\n## Its heading!\n[gone](c.md) [up](../README.md#nothing) [made](made.md#any)\n",
        "a/made.md": "# Made\n",
    }
    assert list(dead(pages, pages, {"a/made.md"})) == [
        "a/b.md: c.md: no such file",
        "a/b.md: ../README.md#nothing: no such heading",
    ]
    assert list(dead({"a.md": "![picture](docs/a.png)"}, ["a.md"])) == ["a.md: docs/a.png: no such file"]


def test_anchors_are_those_of_forges():
    text = "# A `code`, and *more*: a–b\n## [Linked](x.md) words #\n```text\n# no heading\n```\n"
    assert anchors(text) == {"a-code-and-more-ab", "linked-words"}
