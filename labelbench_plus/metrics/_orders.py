"""Scores of how probabilities order examples: one class, or label, against the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Score = Callable[["Tensor", "Tensor"], "Tensor"]


def over_classes(score: Score, probabilities: Tensor, labels: Tensor) -> float:
    """Mean over classes of what a score says of each against the rest; of two classes, of the rarer one alone.

    Parameters
    ----------
    score: of probabilities (n,) and of whether each example is of the class (n,) bool, of which there is one.
    """
    import torch

    counts = torch.bincount(labels, minlength=probabilities.shape[1])
    occurring = counts.nonzero()[:, 0].tolist()
    if len(occurring) == probabilities.shape[1] == 2:
        occurring = [0 if counts[0] < counts[1] else 1]
    return float(torch.stack([score(probabilities[:, k], labels == k) for k in occurring]).mean())


def area_under_roc(probabilities: Tensor, positive: Tensor) -> Tensor:
    """How often a positive example has a larger probability than another one; equal ones count half.

    A half where there is nothing to compare with.
    """
    import torch

    _, place, count = torch.unique(probabilities, return_inverse=True, return_counts=True)
    ranks = (count.cumsum(0) - (count - 1) / 2.0).double()[place]  # the mean rank of equal ones, from 1
    members = int(positive.sum())
    above = ranks[positive].sum() - members * (members + 1) / 2
    pairs = members * (len(positive) - members)
    return above / pairs if pairs else torch.full_like(above, 0.5)


def average_precision(probabilities: Tensor, positive: Tensor) -> Tensor:
    """Σ (R_i - R_{i-1}) P_i over the distinct thresholds: equal probabilities are one, nothing is interpolated."""
    import torch

    ordered, order = torch.sort(probabilities, descending=True, stable=True)
    hits = positive[order].double().cumsum(0)
    last = torch.cat([ordered[1:] != ordered[:-1], ordered.new_ones(1, dtype=torch.bool)])  # of equal probabilities
    places = last.nonzero()[:, 0]
    recall = hits[places] / hits[-1]
    precision = hits[places] / (places + 1)
    gained = torch.diff(recall, prepend=recall.new_zeros(1))
    return (gained * precision).sum()
