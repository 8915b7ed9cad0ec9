"""Expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("ece")
@dataclass(frozen=True)
class ExpectedCalibrationError(Metric):
    """How far confidence is from accuracy, averaged over equal-width bins of confidence (Guo et al., 2017, eq. 3).

    Parameters
    ----------
    bins: how many.
    """

    title = "Expected calibration error"
    reference = Reference(("Guo", "others"), 2017)
    higher_is_better = False

    bins: Annotated[int, Ge(1)] = 15

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        import torch

        confidence, predicted = probabilities.double().max(dim=1)
        bins = (confidence * self.bins).ceil().long().clamp(1, self.bins) - 1
        gap = (predicted == labels).double() - confidence
        return float(torch.bincount(bins, weights=gap, minlength=self.bins).abs().sum() / len(labels))
