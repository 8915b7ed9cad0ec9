"""Demonstrations that a model wrote, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from labelbench_plus.inputs.conversations import Demonstration

Fate = Literal["kept", "cut off", "blank", "copy", "unanswered", "inconsistent", "near copy", "outside"]
"""kept: somebody is taught on it. cut off: the prompt did not come to its end. blank: it says nothing. copy: it says
what a demonstration says, or an earlier one. unanswered: its answer was cut off or is blank. inconsistent: another
answer says something else. near copy: it almost says what a demonstration says, or an earlier one. outside: it is not
among the middle half by similarity."""


COLUMNS = ("prompt", "answer", "fate")


@dataclass(frozen=True)
class Synthetic:
    """A prompt that a model wrote and the answer that it gave, which is empty where the prompt was no good."""

    prompt: str
    answer: str
    fate: Fate

    @property
    def parsed(self) -> bool:
        """Whether it is a prompt: it came to its end and says something."""
        return self.fate not in ("cut off", "blank")

    @property
    def demonstration(self) -> Demonstration:
        return Demonstration(self.prompt, self.answer)


@dataclass(frozen=True)
class Synthesis:
    """All that a model wrote, good or not.

    Attributes
    ----------
    shown: the prompts that it was shown, which is what novelty is told from.
    rows: in the order of the streams they were drawn from.
    """

    shown: tuple[str, ...]
    rows: tuple[Synthetic, ...]

    @property
    def kept(self) -> tuple[Demonstration, ...]:
        """Those that are learned from."""
        return tuple(row.demonstration for row in self.rows if row.fate == "kept")

    def as_table(self) -> Mapping[str, list[str]]:
        """Columns `prompt`, `answer`, `fate`, as details of a round have them."""
        return {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}

    def plain(self) -> list[list[str]]:
        """The rows as lists of texts, for files: `Synthetic(*row)` is a row again."""
        return [[getattr(row, name) for name in COLUMNS] for row in self.rows]
