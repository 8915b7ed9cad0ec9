"""How many labels lie within the intervals that should hold 90 % of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor

QUANTILE = 1.6448536269514722  # of the standard normal distribution, 95 %


@metrics.register("coverage_90")
@dataclass(frozen=True)
class Coverage90(Metric):
    """Share of labels within the central 90 % of a normal distribution with the model's value and variance.

    0.9 is right. More is not better, though less is worse: read it together with the likelihood, and rank by neither.
    """

    title = "Coverage of 90 % intervals"
    higher_is_better = True
    task = "regression"
    reads = "intervals"

    def score(self, intervals: Tensor, labels: Tensor) -> float:
        mean, variance = intervals.double().unbind(dim=1)
        inside = (labels.double() - mean).abs() <= QUANTILE * variance.clamp(min=0).sqrt()
        return float(inside.double().mean())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return frozenset({len(labels)})
