"""Names of classes as people and programs write them."""

from __future__ import annotations

from collections.abc import Sequence

from labelbench_plus.contracts.annotators import listed

NONE = ("none", "0")
"""What is written where no class is true, unless a class has that name."""


def one(classes: Sequence[str], text: str, *, numbered: bool = False) -> str:
    """The class with this name, whatever its case; or with this number, counted from 1, where they are `numbered`.

    Raises
    ------
    ValueError
        There is none.
    """
    text = text.strip()
    by_name = [name for name in classes if name.lower() == text.lower()]
    by_number = [name for number, name in enumerate(classes, 1) if numbered and str(number) == text]
    if found := by_name or by_number:
        return found[0]
    raise ValueError(f"no class {text!r}")


def several(classes: Sequence[str], text: str, *, numbered: bool = False) -> str:
    """The classes that are named as in `one`, with commas between, as an answer (`contracts.annotators.listed`).

    Raises
    ------
    ValueError
        One of them is none, or nothing is said.
    """
    if text.strip().lower() in NONE and text.strip().lower() not in map(str.lower, classes):
        return ""
    return listed(classes, {one(classes, part, numbered=numbered) for part in text.split(",")})
