"""Evaluations: one file each. An evaluation scores a language model's answers to a test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from labelbench_plus.contracts.prompts import PromptSource, TestItem
from labelbench_plus.contracts.scores import Scored, Series, ShownScore
from labelbench_plus.plugins import Plugin, Registry


class Sitting(Protocol):
    """A model taking its test. Its answers are generated once, whichever evaluation asks."""

    @property
    def model(self) -> Any:
        """The model, a `LanguageModel`."""

    @property
    def test(self) -> Sequence[TestItem]:
        """What the model is asked."""

    @property
    def source(self) -> PromptSource:
        """Where the questions come from."""

    @property
    def answers(self) -> Sequence[str]:
        """Its greedy answers, one per item."""


class Evaluation(Plugin):
    """A way to score a model on a test set."""

    def primary_metric(self) -> tuple[str, bool]:
        """If this is a problem's first evaluation: the score that ranks, and whether higher is better."""
        raise NotImplementedError

    def shown_scores(self) -> tuple[ShownScore, ...]:
        """If it is not the first: the scores that boards show beside the one that ranks."""
        return (ShownScore(*self.primary_metric()),)

    def series(self) -> tuple[Series, ...]:
        """Which of its scores belong on one curve; see `Problem.series`."""
        return ()

    def fingerprint(self) -> str:
        """Hash of what it scores with beyond its hyperparameters (an encoder's weights); empty if nothing."""
        return ""

    def check(self, test: Sequence[TestItem]) -> None:
        """Refuse a test set that it cannot score, before any work.

        Raises
        ------
        ValueError
            The message says what is missing.
        """

    def score(self, sitting: Sitting) -> Scored:
        """Scores of the model, with the same names for every model of a trainer, and its answers in detail."""
        raise NotImplementedError


evaluations = Registry("evaluation", Evaluation, "labelbench_plus.evaluations")
