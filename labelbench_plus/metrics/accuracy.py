"""Share of examples whose most probable class is the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("accuracy")
@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of examples whose most probable class is the true one."""

    title = "Accuracy"
    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        return float((probabilities.argmax(dim=1) == labels).double().mean())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return frozenset({len(labels)})
