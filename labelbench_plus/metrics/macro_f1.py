"""Mean over classes of the F1 score of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("macro_f1")
@dataclass(frozen=True)
class MacroF1(Metric):
    """Mean F1 over the classes that occur in labels or predictions (as scikit-learn's `f1_score(average="macro")`)."""

    title = "Macro F1"
    higher_is_better = True

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        import torch

        num_classes, predicted = probabilities.shape[1], probabilities.argmax(dim=1)
        true_positives = torch.bincount(labels[predicted == labels], minlength=num_classes).double()
        sizes = torch.bincount(labels, minlength=num_classes) + torch.bincount(predicted, minlength=num_classes)
        return float((2 * true_positives[sizes > 0] / sizes[sizes > 0]).mean())
