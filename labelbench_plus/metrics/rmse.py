"""Root mean squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("rmse")
@dataclass(frozen=True)
class RootMeanSquaredError(Metric):
    """Root of the mean squared error, in the label's unit."""

    title = "Root mean squared error"
    higher_is_better = False
    task = "regression"
    reads = "values"
    in_label_unit = True

    def score(self, values: Tensor, labels: Tensor) -> float:
        errors = (values.double() - labels.double()).abs()
        largest = errors.max()
        return float((errors / largest).square().mean().sqrt() * largest) if bool(largest > 0) else 0.0

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return frozenset()
