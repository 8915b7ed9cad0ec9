"""Accuracy in the group where it is lowest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("worst_group_accuracy")
@dataclass(frozen=True)
class WorstGroupAccuracy(Metric):
    """Smallest accuracy over the groups that occur, as WILDS reports it (Koh et al., 2021).

    Examples of no group (a negative number) do not count. Raises ValueError where no example is in a group.
    """

    title = "Worst-group accuracy"
    reference = Reference(("Koh", "others"), 2021, "WILDS", arxiv="2012.07421")
    higher_is_better = True
    needs_groups = True

    def score(self, probabilities: Tensor, labels: Tensor, groups: Tensor) -> float:  # type: ignore[override]
        import torch

        inside = groups >= 0
        if not bool(inside.any()):
            raise ValueError("metric 'worst_group_accuracy': no example is in a group")
        hits = (probabilities.argmax(dim=1) == labels).double()[inside]
        total = torch.bincount(groups[inside])
        accuracy = torch.bincount(groups[inside], weights=hits)[total > 0] / total[total > 0]
        return float(accuracy.min())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        assert groups is not None
        return frozenset(np.unique(groups[groups >= 0], return_counts=True)[1].tolist())
