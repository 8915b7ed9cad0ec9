"""What becomes of texts from anybody in each form that results are written in: names must be read, never obeyed.

A strategy's name, a score's, a title, a message may hold codes that recolour or rewrite a terminal, turn a line around,
end a table's cell, or start a formula in a spreadsheet. There is one function for each form of output, and
whoever writes uses it: `say` for terminals and logs, `csv_cell` for CSV, `markdown` for Markdown, `printable` where a
template escapes the rest (HTML, SVG, cells of rich). JSON escapes for itself.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import TextIO

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Beginnings of cells that spreadsheets take for a formula. Tabs and returns, which some skip, are printed as codes."""


def printable(text: str) -> str:
    r"""The text with every control, direction or line-breaking character written as \uXXXX."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") else c
        for c in text
    )


def printable_lines(text: str) -> str:
    """The same for a text that rightly has several lines, or tabs."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def say(*texts: object, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """Print, as `print` does, what a terminal shows but does not obey. All of the program's words go through it."""
    print(*(printable_lines(str(text)) for text in texts), file=file or sys.stdout, end=end, flush=flush)


def sized(count: int) -> str:
    """A number of bytes in a unit in which it can be read: `950 B`, `1.2 MB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def counted(number: int, what: str) -> str:
    """A number and what it counts: `1 job`, `3,000 jobs`, `2 batches`."""
    if number == 1:
        return f"1 {what}"
    if re.search(r"(s|x|ch|sh)$", what):
        return f"{number:,} {what}es"
    return f"{number:,} {what[:-1]}ies" if re.search(r"[^aeiou]y$", what) else f"{number:,} {what}s"


def csv_cell(text: str) -> str:
    """The text as a cell of CSV that no spreadsheet calculates: with an apostrophe before what would be a formula.

    `from_csv_cell` takes it off. Numbers are no texts: whoever writes a table hands over cells of text alone.
    """
    shown = printable(text)
    return f"'{shown}" if shown.lstrip("'").startswith(FORMULA) else shown


def from_csv_cell(cell: str) -> str:
    """The text that `csv_cell` wrote."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA) else cell


def markdown(text: str) -> str:
    """The text within a line of GitHub's Markdown, whatever marks, tags or addresses it holds."""
    # A backslash disarms Markdown's own marks; entities disarm HTML, which Markdown lets through.
    escaped = re.sub(r"([\\`*_{}\[\]#|~$@])", r"\\\1", printable(text))
    escaped = re.sub(r"(?i)\b(https?|ftp)(:)|\b(www)(\.)", r"\1\3\\\2\4", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_line(text: str) -> str:
    """The same at the start of a line, where it shall begin no list, underline nothing and be no code."""
    return re.sub(r"^(\d+(?=[.)])|(?=[-+=]))", r"\1\\", markdown(text.strip()))
