"""Mean over labels of the F1 score of each, for multi-label problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("multilabel_macro_f1")
@dataclass(frozen=True)
class MultilabelMacroF1(Metric):
    """Mean F1 over the labels that are true or predicted somewhere; predicted is what has probability 1/2 or more."""

    title = "Multi-label macro F1"
    higher_is_better = True
    task = "multilabel"
    reads = "label_probabilities"

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        predicted, true = probabilities >= 0.5, labels.bool()
        sizes = predicted.sum(dim=0) + true.sum(dim=0)
        both = (predicted & true).sum(dim=0).double()
        return float((2 * both[sizes > 0] / sizes[sizes > 0]).mean()) if bool((sizes > 0).any()) else 0.0
