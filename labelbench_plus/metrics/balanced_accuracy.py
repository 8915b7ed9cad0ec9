"""Mean over classes of the recall of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("balanced_accuracy")
@dataclass(frozen=True)
class BalancedAccuracy(Metric):
    """Mean recall over the classes that occur in the labels; a class without examples is left out."""

    title = "Balanced accuracy"
    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        import torch

        hits = (probabilities.argmax(dim=1) == labels).double()
        total = torch.bincount(labels, minlength=probabilities.shape[1])
        recall = torch.bincount(labels, weights=hits, minlength=probabilities.shape[1])[total > 0] / total[total > 0]
        return float(recall.mean())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        sizes = np.unique(labels, return_counts=True)[1].tolist()
        return frozenset({len(sizes) * math.lcm(*sizes)})
