"""Responses that a policy draws, to be judged, and how they are numbered."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from labelbench_plus.contracts.annotators import Wanted
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.language.options import Decoding

if TYPE_CHECKING:
    from labelbench_plus.language.model import LanguageModel

DRAWN_AGAIN = 3  # times that a blank or repeated response is drawn again before it stays

Stream = Callable[[str], Generator]
"""A fresh generator by name, such as `Streams.rng`."""


@dataclass(frozen=True)
class Response:
    """A candidate.

    Attributes
    ----------
    valid: whether it came to its end, is not blank, and no other of its prompt before it is the same.
    """

    text: str
    valid: bool


def draw(
    model: LanguageModel,
    prompts: Sequence[Conversation],
    count: int,
    decoding: Decoding,
    stream: Stream,
    first: int = 0,
) -> list[list[Response]]:
    """`count` responses to each prompt. What is drawn for one does not depend on which others are drawn with it.

    A blank response, or one that repeats another to its prompt, is drawn again up to `DRAWN_AGAIN` times; then it
    stays, and is not valid.

    Parameters
    ----------
    first: the number of the first prompt among all: each response has a stream named after its number and the attempt.
    """
    said = [prompt for prompt in prompts for _ in range(count)]
    texts, ended = [""] * len(said), np.zeros(len(said), dtype=bool)
    rows = list(range(len(said)))
    for attempt in range(1 + DRAWN_AGAIN):
        generators = [stream(f"candidate {first * count + row} {attempt}") for row in rows]
        found = model.generate([said[row] for row in rows], decoding, generators)
        for row, text, end in zip(rows, found.texts, found.ended, strict=True):
            texts[row], ended[row] = text, end
        new = [bool(text.strip()) and text not in _before(texts, row, count) for row, text in enumerate(texts)]
        rows = [row for row, one in enumerate(new) if not one]
        if not rows:
            break
    each = [Response(text, bool(end and one)) for text, end, one in zip(texts, ended, new, strict=True)]
    return [each[start : start + count] for start in range(0, len(each), count)]


def _before(texts: Sequence[str], row: int, count: int) -> Sequence[str]:
    """The responses to the same prompt that come before this one."""
    return texts[row - row % count : row]


def as_text(responses: Sequence[Response]) -> str:
    """The responses to a prompt, for `from_text`."""
    return json.dumps([[each.text, each.valid] for each in responses])


def from_text(text: str) -> list[Response]:
    return [Response(*each) for each in json.loads(text)]


@dataclass(frozen=True)
class Shape:
    """How responses are numbered as items: prompt after prompt, and of each its responses, or all pairs of them.

    Attributes
    ----------
    prompts: how many there are.
    responses: to each of them.
    wants: what is asked about an item.
    """

    prompts: int
    responses: int
    wants: Wanted

    @property
    def places(self) -> list[tuple[int, ...]]:
        """The responses, by their place, that the items of one prompt are about."""
        size = 1 if self.wants == "score" else 2
        return list(combinations(range(self.responses), size))

    @property
    def size(self) -> int:
        """How many items there are."""
        return self.prompts * len(self.places)

    def rows(self, items: np.ndarray) -> np.ndarray:
        """(n, 1) or (n, 2) the responses of items (n,), numbered prompt after prompt."""
        prompts, each = np.divmod(items, len(self.places))
        return np.asarray(prompts[:, None] * self.responses + np.array(self.places)[each])

    def prompt_of(self, items: np.ndarray) -> np.ndarray:
        """(n,) the prompts of items (n,)."""
        return np.asarray(items // len(self.places))
