"""What people type or click, as answers: the same rules on a terminal, on a page, and in files of other programs."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from labelbench_plus.answering.class_names import one, several
from labelbench_plus.answering.people import Waiting

LETTERS = {"a": -1, "b": 1, "t": 0, "tie": 0}


def swapped(key: str) -> bool:
    """Whether of two responses the second is shown first: drawn by the question, as people prefer a place too."""
    return hashlib.sha256(key.encode()).digest()[0] >= 128


def shown(question: Waiting) -> tuple[str, ...]:
    """The responses in the order in which they are shown."""
    return question.responses[::-1] if question.wants == "pair" and swapped(question.key) else question.responses


def hint(question: Waiting, scale: tuple[float, float]) -> str:
    """What can be said to a question, in words."""
    if question.classes:
        numbered = ", ".join(f"{number} {name}" for number, name in enumerate(question.classes, 1))
        return f"all that are true, with commas between, or 0 for none: {numbered}" if question.several else numbered
    if question.wants == "score":
        return f"a number from {scale[0]:g} to {scale[1]:g}"
    return "a or b, whichever is better, or t for a tie" if question.wants == "pair" else "the answer"


def typed(question: Waiting, said: Any, scale: tuple[float, float]) -> Any:
    """An answer from another program: a text as `understood` reads it, a number, what was chosen, or nothing.

    Raises
    ------
    ValueError
        It is none; the message says what would be one.
    """
    if isinstance(said, list):
        said = said[0] if said and not question.several else ",".join(map(str, said)) or "none"
    return None if said is None else understood(question, str(said), scale)


def checked(question: Waiting, said: Any, scale: tuple[float, float]) -> Any:
    """An answer as it is kept; names of labels may be a list.

    Raises
    ------
    ValueError
        It is none; the message says what would be one.
    """
    if said is None or (question.several and said == ""):
        return said
    if question.wants == "pair" and type(said) is int and said in LETTERS.values():
        return said
    if question.wants == "pair" or isinstance(said, bool):
        raise ValueError("expected -1, 0 or 1: the first is better, a tie, the second")
    return typed(question, said, scale)


def understood(question: Waiting, text: str, scale: tuple[float, float]) -> Any:
    """The answer that a text is.

    Parameters
    ----------
    scale: the lowest and the highest score.

    Raises
    ------
    ValueError
        It is none; the message says what would be one.
    """
    text = text.strip()
    expected = f"expected {hint(question, scale)}"
    if question.classes:
        try:
            return (several if question.several else one)(question.classes, text, numbered=True)
        except ValueError:
            raise ValueError(expected) from None
    if question.wants == "score":
        try:
            score = float(text)
        except ValueError:
            raise ValueError(expected) from None
        if not (math.isfinite(score) and scale[0] <= score <= scale[1]):
            raise ValueError(expected)
        return score
    if question.wants == "pair":
        if (letter := LETTERS.get(text.lower())) is None:
            raise ValueError(expected)
        return -letter if swapped(question.key) else letter
    if not text:
        raise ValueError(expected)
    return text
