"""An expert whose opinion can be written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labelbench_plus.annotators import Asked, Scorer, annotators

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
WORD = re.compile(r"\w+")


@annotators.register("rule")
@dataclass(frozen=True)
class Rule(Scorer):
    """A rule that can be checked: it stands in for an expert and costs nothing but the budget.

    Parameters
    ----------
    rule: "reference": 1 of a response that says what the data say, but for case, articles and punctuation, else 0.
        "number": 1 where its last number is that of the reference. "words": the share of its words that are liked, less
        the share of those that are not: long responses are no better for being long. "brief": minus its characters.
    likes, dislikes: the words of "words", whose case does not count.
    """

    title = "A rule, in place of an expert"

    rule: Literal["reference", "number", "words", "brief"] = "reference"
    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.rule == "words") != bool(self.likes or self.dislikes):
            raise ValueError(f"rule {self.rule!r}: likes and dislikes go with 'words', which needs one of them")

    def scores(self, questions: Sequence[Asked]) -> list[float]:
        return [self._score(each.responses[0], each.reference) for each in questions]

    def _score(self, response: str, reference: str | None) -> float:
        if self.rule == "words":
            words = WORD.findall(response.lower())
            liked, disliked = set(map(str.lower, self.likes)), set(map(str.lower, self.dislikes))
            share = sum((word in liked) - (word in disliked) for word in words)
            return share / len(words) if words else 0.0
        if self.rule == "brief":
            return -float(len(response))
        if reference is None:
            raise ValueError(f"rule {self.rule!r} compares with what the data say, and they say nothing here")
        if self.rule == "number":
            return float(_last_number(response) is not None and _last_number(response) == _last_number(reference))
        from labelbench_plus.language.matching import right

        return float(right(response, [reference]))


def _last_number(text: str) -> float | None:
    found = NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
