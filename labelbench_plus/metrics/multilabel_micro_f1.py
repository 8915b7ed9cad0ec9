"""F1 score over all labels of all examples at once, for multi-label problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("multilabel_micro_f1")
@dataclass(frozen=True)
class MultilabelMicroF1(Metric):
    """2 TP / (2 TP + FP + FN) over all pairs of example and label; predicted is what has probability 1/2 or more."""

    title = "Multi-label micro F1"
    higher_is_better = True
    task = "multilabel"
    reads = "label_probabilities"

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        predicted, true = probabilities >= 0.5, labels.bool()
        size = int(predicted.sum() + true.sum())
        return 2 * int((predicted & true).sum()) / size if size else 0.0
