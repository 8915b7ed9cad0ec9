"""The answers that come with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_plus.annotators import Annotator, Asked, Desk, annotators


@annotators.register("stored")
@dataclass(frozen=True)
class Stored(Annotator):
    """What the data say is right, the reference answer: it stands in for a person, and costs nothing but the budget."""

    title = "Answers of the data"

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[str | None]:
        return [question.reference for question in questions]
