"""The answers that come with the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from labelbench_plus.annotators import Annotator, Asked, Desk, Wanted, annotators
from labelbench_plus.answers import TEXT, AnswerKind


@annotators.register("stored")
@dataclass(frozen=True)
class Stored(Annotator):
    """The reference answer of the data: it stands in for a person, and costs nothing but the budget."""

    title = "Answers of the data"
    kinds: ClassVar[Mapping[Wanted, AnswerKind]] = {"answer": TEXT, "labels": TEXT}

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[str | None]:
        return [question.reference for question in questions]
