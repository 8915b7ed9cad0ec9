"""Whether all questions of a set are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.metrics._together import denominators, share_of_groups

if TYPE_CHECKING:
    from torch import Tensor

PAIRS = 2  # a set is groups 2i and 2i + 1


@metrics.register("set_accuracy")
@dataclass(frozen=True)
class SetAccuracy(Metric):
    """Share of sets of which every example is right. A set is two groups, 2i and 2i + 1: the pairs of `pair_accuracy`.

    Examples of no group (a negative number) do not count. Raises ValueError where no example is in a group.
    """

    title = "Accuracy of sets"
    higher_is_better = True
    needs_groups = True

    def score(self, probabilities: Tensor, labels: Tensor, groups: Tensor) -> float:  # type: ignore[override]
        return share_of_groups(probabilities, labels, groups, PAIRS)

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return denominators(groups, PAIRS)
