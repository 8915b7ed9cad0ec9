"""Whether both questions of a pair are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.metrics._together import denominators, share_of_groups

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("pair_accuracy")
@dataclass(frozen=True)
class PairAccuracy(Metric):
    """Share of groups of which every example is right: of pairs that differ in one word, say (left, right).

    Examples of no group (a negative number) do not count. Raises ValueError where no example is in a group.
    """

    title = "Accuracy of pairs"
    higher_is_better = True
    needs_groups = True

    def score(self, probabilities: Tensor, labels: Tensor, groups: Tensor) -> float:  # type: ignore[override]
        return share_of_groups(probabilities, labels, groups, 1)

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return denominators(groups, 1)
