"""Coefficient of determination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("r2")
@dataclass(frozen=True)
class CoefficientOfDetermination(Metric):
    """1 - (squared errors) / (squared distances of the labels from their mean), as scikit-learn's `r2_score`.

    Labels that are all alike leave nothing to explain: 1 without errors, else 0.
    """

    title = "Coefficient of determination"
    higher_is_better = True
    task = "regression"
    reads = "values"

    def score(self, values: Tensor, labels: Tensor) -> float:
        labels = labels.double()
        errors, spread = (values.double() - labels), labels - labels.mean()
        largest = spread.abs().max()
        if not bool(largest > 0):
            return float(not bool(errors.any()))
        return 1 - float((errors / largest).square().sum() / (spread / largest).square().sum())
