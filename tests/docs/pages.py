"""What the code blocks of a page are, and what running a page means.

Blocks are carried out from top to bottom in one empty folder that has the repository's `benchmarks`, `results` and
`slurm` in it. A comment on the line before a block says what is special about it:

    <!-- file: NAME -->         the block is a file, kept under that name
    <!-- output -->             the block is what the block before it prints, in part; `...` stands for anything
    <!-- exits N -->            the last command of the block ends with that code
    <!-- slurm -->              left out, with its output, where no SLURM cluster is up; tests/slurm has one
    <!-- not run: REASON -->    it cannot be carried out in a test

A `bash` block is commands, a `python` block is code that shares its names with the page's other ones, `text` is prose.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
LANGUAGES = {"bash", "python", "yaml", "text", "json"}


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what it is, and the comment before it."""

    line: int
    language: str
    text: str
    note: str

    @property
    def verb(self) -> str:
        """The first word of the note."""
        return self.note.partition(":")[0].partition(" ")[0]

    @property
    def rest(self) -> str:
        return self.note.partition(":" if ":" in self.note else " ")[2].strip()


def blocks(markdown: str) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises
    ------
    ValueError
        A block that the tests would silently leave out: an unknown language or note, or a file without a name.
    """
    found = [
        Block(markdown.count("\n", 0, match.start()) + 1, match["language"], match["text"], match["note"] or "")
        for match in FENCE.finditer(markdown)
    ]
    if markdown.count("```") != 2 * len(found):
        raise ValueError("a fence is not closed, indented, or has words after its language")
    for block in found:
        where = f"line {block.line}"
        if block.language not in LANGUAGES:
            raise ValueError(f"{where}: language {block.language!r}; one of {sorted(LANGUAGES)}")
        if block.verb not in ("", "file", "output", "exits", "slurm", "not"):
            raise ValueError(f"{where}: unknown note {block.note!r}")
        if block.verb in ("file", "not") and not (":" in block.note and block.rest):
            raise ValueError(f"{where}: the note {block.note!r} lacks a name or a reason")
        if block.language in ("yaml", "json") and block.verb not in ("file", "not", "output"):
            raise ValueError(f"{where}: a {block.language} block is a file or is not run: say which")
    return found


def cells(notebook: Path) -> list[Block]:
    """The code cells of a notebook; the line is the cell's number."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        Block(number, "python", "".join(cell["source"]), "")
        for number, cell in enumerate(found)
        if cell["cell_type"] == "code"
    ]


def written() -> list[Path]:
    """The pages that people write: those of `docs/` and the README."""
    return [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def missing(expected: str, output: str) -> str:
    """The first line of `expected` that `output` does not have, in order; "" if it has all."""
    at = 0
    for line in expected.splitlines():
        pattern = r"[^\n]*".join(r"\s+".join(map(re.escape, part.split())) for part in line.split("..."))
        found = re.compile(pattern).search(output, at)
        if line.strip() not in ("", "...") and not found:
            return line
        at = found.end() if found and line.strip() != "..." else at
    return ""
