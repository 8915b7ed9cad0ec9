"""The absolute error that 99 % of examples stay within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("absolute_error_99")
@dataclass(frozen=True)
class AbsoluteError99(Metric):
    """99 % quantile of the absolute error, in the label's unit, interpolated linearly between errors."""

    title = "99 % quantile of the absolute error"
    higher_is_better = False
    task = "regression"
    reads = "values"
    in_label_unit = True

    def score(self, values: Tensor, labels: Tensor) -> float:
        import numpy as np

        return float(np.quantile((values.double() - labels.double()).abs().cpu().numpy(), 0.99))
