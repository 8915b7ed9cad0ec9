"""Docstrings of this project as Markdown."""

from __future__ import annotations

import inspect
import re
from typing import Any

SPECIAL = re.compile(r"\*\w+\*|[\\*_\[\]<>|]")
ENTITIES = {"<": "&lt;", ">": "&gt;", "|": "&#124;"}
SECTION = re.compile(r"^([A-Z][a-z]+)\n-{3,}$", flags=re.MULTILINE)
ITEM = re.compile(r"^(\S.*?):(?: |$)(.*)$")


def escaped(text: str) -> str:
    """Plain text that Markdown shows as it stands; what is in backticks stays code."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else SPECIAL.sub(_escape, part) for part in parts)


def _escape(found: re.Match[str]) -> str:
    text = found[0]  # *one word* is meant to be emphasised
    return text if len(text) > 1 else ENTITIES.get(text, f"\\{text}")


def cell(text: str) -> str:
    """One cell of a table."""
    return escaped(" ".join(text.split())).replace("|", "&#124;")


def summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def markdown(docstring: str) -> str:
    """A docstring as Markdown: sections as bold words, their entries as lists, `name: what it is`."""
    pieces = SECTION.split(inspect.cleandoc(docstring))
    shown = [_paragraphs(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        text = f"```yaml\n{body.strip()}\n```" if title == "Example" else _entries(body, title)
        shown.append(f"**{title}**\n\n{text}")
    return "\n\n".join(part for part in shown if part)


def _paragraphs(text: str) -> str:
    return "\n\n".join(block if block.startswith("    ") else escaped(block) for block in text.strip().split("\n\n"))


def _entries(body: str, title: str) -> str:
    """The entries of a section. After them, paragraphs that belong to no entry ("Source: ...") may follow."""
    blocks = body.strip("\n").split("\n\n")
    shown = []
    for number, block in enumerate(blocks):
        lines = block.split("\n")
        if number and not (ITEM.match(lines[0]) and not lines[0].startswith("Source")):
            shown.append(escaped(block))
            continue
        entries: list[str] = []
        for line in lines:
            found = ITEM.match(line) if not line.startswith(" ") else None
            if found and title != "Raises":
                entries.append(f"- `{found[1]}`: {escaped(found[2])}")
            elif not line.startswith(" ") and title == "Raises":
                entries.append(f"- `{line}`:")
            elif entries:
                entries[-1] += f" {escaped(line.strip())}"
            else:
                entries.append(escaped(line))
        shown.append("\n".join(entries))
    return "\n\n".join(shown)
