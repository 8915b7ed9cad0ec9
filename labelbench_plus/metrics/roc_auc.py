"""Area under the ROC curve, each class against the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.metrics._orders import area_under_roc, over_classes

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("roc_auc")
@dataclass(frozen=True)
class RocAuc(Metric):
    """How often an example of a class gets a higher probability of it than an example of another class.

    The mean over the classes that occur; of two classes that of the rarer one, the second if they are equally many.
    As in scikit-learn. A half where all examples are of one class.
    """

    title = "ROC AUC"
    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        return over_classes(area_under_roc, probabilities, labels)
