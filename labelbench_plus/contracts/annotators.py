"""Annotators: one file each. An annotator answers the questions that a language problem's budget is spent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from labelbench_plus.answers import TEXT, AnswerKind
from labelbench_plus.inputs.conversations import Conversation
from labelbench_plus.plugins import Plugin, Registry


@dataclass(frozen=True)
class Asked:
    """What an annotator is asked.

    Attributes
    ----------
    prompt: to be answered.
    reference: what the data say, for annotators that stand in for somebody. Nobody else is shown it.
    """

    prompt: Conversation
    reference: str | None = None


class Annotator(Plugin):
    """Somebody, or something, that answers.

    Attributes
    ----------
    paid: whether an answer costs real money or a person's time. Checks, replays and whole-pool comparisons never ask
        such an annotator.
    kind: of its answers.
    """

    paid: ClassVar[bool] = False
    kind: ClassVar[AnswerKind] = TEXT

    def price(self, question: Asked) -> float:
        """What an answer takes of the budget, known before it is asked."""
        return 1.0

    def ask(self, questions: Sequence[Asked], answers: Path | None) -> list[Any]:
        """An answer to each question, in their order; None where there is none.

        Parameters
        ----------
        answers: a folder in which answers are kept for all runs, so that nobody is asked twice; None where nobody may
            be asked. It is `Place.answers`.

        Raises
        ------
        AnswersPending
            Somebody has to answer first.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of what decides its answers beyond its hyperparameters (rubric, model, version); empty if nothing."""
        return ""


annotators = Registry("annotator", Annotator, "labelbench_plus.annotators")
