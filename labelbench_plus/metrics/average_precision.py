"""Average precision, each class against the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.metrics._orders import average_precision, over_classes

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("average_precision")
@dataclass(frozen=True)
class AveragePrecision(Metric):
    """Precision among the likeliest examples of a class, averaged over recall: Σ (R_i - R_{i-1}) P_i over thresholds.

    The mean over the classes that occur; of two classes that of the rarer one, the second if they are equally many.
    As in scikit-learn. One where all examples are of one class.
    """

    title = "Average precision"
    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        return over_classes(average_precision, probabilities, labels)
