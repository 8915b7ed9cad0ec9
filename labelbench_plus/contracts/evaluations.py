"""Evaluations: one file each. An evaluation says how good a language model's answers to a test set are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from labelbench_plus.contracts.prompts import PromptSource, TestItem
from labelbench_plus.contracts.scores import Scored, Series, ShownScore
from labelbench_plus.plugins import Plugin, Registry


class Sitting(Protocol):
    """A model at its test. What it writes is generated once, whoever asks."""

    @property
    def model(self) -> Any:
        """The model, a `LanguageModel`."""

    @property
    def test(self) -> Sequence[TestItem]:
        """What it is asked."""

    @property
    def source(self) -> PromptSource:
        """Where that comes from."""

    @property
    def answers(self) -> Sequence[str]:
        """What it writes, greedily, one answer an item."""


class Evaluation(Plugin):
    """A way to score a model on a test set."""

    def primary_metric(self) -> tuple[str, bool]:
        """Where this is a problem's first evaluation: the score that ranks, and whether more of it is better."""
        raise NotImplementedError

    def shown_scores(self) -> tuple[ShownScore, ...]:
        """Where this is another one: the scores that boards show beside the one that ranks."""
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
        """Scores of the model, under the same names for every model of a trainer, and what it said in detail."""
        raise NotImplementedError


evaluations = Registry("evaluation", Evaluation, "labelbench_plus.evaluations")
