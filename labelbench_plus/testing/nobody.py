"""Somebody who is paid and never answers, to see what a problem asks of such people."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from labelbench_plus.answers import PREFERENCE, SCORE, TEXT
from labelbench_plus.contracts.annotators import Annotator, Asked, Desk
from labelbench_plus.contracts.problems import Problem
from labelbench_plus.oracle import AnswersPending


@dataclass(frozen=True)
class Nobody(Annotator):
    """Is asked, and lets wait.

    Attributes
    ----------
    asked: of whomever is one, in this process, since it was emptied.
    """

    name: ClassVar[str] = "nobody"
    paid: ClassVar[bool] = True
    kinds: ClassVar = {"answer": TEXT, "labels": TEXT, "score": SCORE, "pair": PREFERENCE}
    asked: ClassVar[list[Asked]] = []

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        self.asked.extend(questions)
        raise AnswersPending(len(questions))


def asking_nobody(problem: Problem) -> Problem:
    """The same problem with such a one as its annotator, whom no registry has to know."""
    made = copy.copy(problem)
    object.__setattr__(made, "annotator", Nobody())
    Nobody.asked.clear()
    return made
