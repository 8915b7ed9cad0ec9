"""Annotators: one file each. An annotator answers the questions that a language problem's budget is spent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Purse:
    """What a command may pay, all its runs and processes together.

    Attributes
    ----------
    id: by which payments out of it are known again.
    most: money, in the unit of the prices.
    """

    id: str
    most: float


@dataclass(frozen=True)
class Desk:
    """Where a run's questions are put.

    Attributes
    ----------
    folder: in which answers are kept for all runs, so that nobody is asked, or paid, twice.
    purse: what may be paid out of; nothing may where it is None.
    notes: what asking came to, which the annotator fills in (`from_store`, `money`). A round's costs hold it.
    """

    folder: Path
    purse: Purse | None = None
    notes: dict[str, float] = field(default_factory=dict)


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

    def ask(self, questions: Sequence[Asked], desk: Desk | None) -> list[Any]:
        """An answer to each question, in their order; None where there is none.

        Parameters
        ----------
        desk: where they are put; None where nobody may be asked.

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
