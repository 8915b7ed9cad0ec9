"""Metrics: one file each. A metric scores what a model predicts against true labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from labelbench_plus.contracts.scores import check_predictions
from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from torch import Tensor

Reads = Literal["probabilities", "label_probabilities", "values", "intervals"]


class Metric(Plugin):
    """Scores a model's predictions on a test set.

    Attributes
    ----------
    task: the task whose problems it scores.
    reads: what it scores.
        "probabilities": of classes (n, K), against labels (n,).
        "label_probabilities": of each label (n, K), against labels (n, K) of 0 and 1.
        "values": real numbers (n,), against labels (n,).
        "intervals": the value (n, 2) expected and the variance of a label around it, against labels (n,). Models
            without a variance get no such scores.
    in_label_unit: whether the score is in the labels' unit: ten times the labels, ten times the score.
    needs_groups: whether it also looks at groups of examples. Its `score` then takes `groups` (n,) after the labels;
        a negative number is no group.
    """

    higher_is_better: ClassVar[bool]
    task: ClassVar[str] = "classification"
    reads: ClassVar[Reads] = "probabilities"
    in_label_unit: ClassVar[bool] = False
    needs_groups: ClassVar[bool] = False

    def score(self, predictions: Tensor, labels: Tensor, /) -> float:
        """Score predictions against labels of the same device."""
        raise NotImplementedError

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int] | None:
        """Whole numbers d so that every score against these true labels is k/d, with a whole k, for one of them.

        Empty for a score that is not a fraction, such as a logarithm; None where it depends on the predictions. Claims
        of submissions are checked against it.
        """
        return None


metrics = Registry("metric", Metric, "labelbench_plus.metrics")


def score_all(
    scores: Sequence[Metric], predictions: Tensor, labels: Tensor, groups: Tensor | None = None
) -> dict[str, float]:
    """The score of each metric, by name; `groups` (n,) go to those that need them. All of them read the same.

    Raises
    ------
    UnusableScore
        Predictions are not finite. Metrics need not check: an argmax or a threshold would hide it.
    """
    check_predictions(predictions, [metric.name for metric in scores])
    return {
        metric.name: metric.score(predictions, labels, groups)  # type: ignore[call-arg]
        if metric.needs_groups
        else metric.score(predictions, labels)
        for metric in scores
    }


def check_metrics(scores: Sequence[Metric], task: str, has_groups: bool) -> None:
    """Refuse metrics that a problem cannot use.

    Raises
    ------
    ValueError
        There are none, one is for another task, or one needs groups that the data lack.
    """
    if not scores:
        raise ValueError("metrics: at least one is needed; the first one ranks")
    for metric in scores:
        if metric.task != task:
            raise ValueError(f"metrics: {metric.name!r} is for problems of {metric.task}, this one is of {task}")
        if metric.needs_groups and not has_groups:
            raise ValueError(f"metrics: {metric.name!r} needs groups of examples, and the data set has none")
