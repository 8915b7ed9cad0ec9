"""Mean over labels of the average precision of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.metrics._orders import average_precision

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("mean_average_precision")
@dataclass(frozen=True)
class MeanAveragePrecision(Metric):
    """Mean average precision over the labels that occur; a label that no example has is left out.

    Average precision is Σ (R_i - R_{i-1}) P_i over the distinct thresholds, as in scikit-learn: equal probabilities
    are one threshold, nothing is interpolated. Raises ValueError where no label occurs.
    """

    title = "Mean average precision"
    higher_is_better = True
    task = "multilabel"
    reads = "label_probabilities"

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        import torch

        occurring = labels.any(dim=0).nonzero()[:, 0].tolist()
        if not occurring:
            raise ValueError("metric 'mean_average_precision': no example has any label")
        found = [average_precision(probabilities[:, k], labels[:, k]) for k in occurring]
        return float(torch.stack(found).mean())
