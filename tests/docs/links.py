"""Links as a forge resolves them: between committed files, with anchors made of headings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping

FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
HOST = re.compile(r"\w+:")


def links(markdown: str) -> list[str]:
    """The targets of all links and pictures outside code."""
    return LINK.findall(CODE.sub("", FENCED.sub("", markdown)))


def anchors(markdown: str) -> set[str]:
    """What may follow the # of a link: each heading in lower case, its spaces as hyphens and its punctuation dropped.

    A heading that is there again gets -1, -2, … (what GitHub, GitLab and Forgejo agree on).
    """
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", markdown)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        plain = re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")
        number, slug = 0, plain
        while slug in found:
            number += 1
            slug = f"{plain}-{number}"
        found.add(slug)
    return found


def dead(pages: Mapping[str, str], files: Collection[str], generated: Collection[str] = ()) -> Iterator[str]:
    """Each link of `pages` (path to text) that leads to no file or folder of `files`, or to no heading in one.

    Anchors in `generated` pages are not looked for: their headings are made when the documentation is built.
    """
    there = {*files, "."} | {folder for file in files for folder in _above(file)}
    for page, text in pages.items():
        for link in links(text):
            if HOST.match(link):
                continue
            path, _, anchor = link.partition("#")
            to = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
            if to not in there:
                yield f"{page}: {link}: no such file"
            elif anchor and to not in generated and anchor not in anchors(pages.get(to, "")):
                yield f"{page}: {link}: no such heading"


def _above(file: str) -> Iterator[str]:
    while file := posixpath.dirname(file):
        yield file
