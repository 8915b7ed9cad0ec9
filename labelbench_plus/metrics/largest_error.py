"""The largest absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("largest_error")
@dataclass(frozen=True)
class LargestError(Metric):
    """Largest absolute error, in the label's unit."""

    title = "Largest absolute error"
    higher_is_better = False
    task = "regression"
    reads = "values"
    in_label_unit = True

    def score(self, values: Tensor, labels: Tensor) -> float:
        return float((values.double() - labels.double()).abs().max())
