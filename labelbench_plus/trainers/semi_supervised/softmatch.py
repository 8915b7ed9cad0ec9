"""SoftMatch: every pseudo-label counts, by how confident it is among the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Interval

from labelbench_plus.plugins import Since
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import SemiSupervised

if TYPE_CHECKING:
    from labelbench_plus.trainers.semi_supervised._softmatch import SoftMatchRule


@trainers.register("softmatch")
@dataclass(frozen=True)
class SoftMatch(SemiSupervised):
    """FixMatch without a threshold: pseudo-labels weighted by a truncated Gaussian (Chen et al., 2023).

    Its weights are relative to the model's confidence, so with a head of zeros any belief counts, even a wrong one, and
    within some hundred steps one class takes over. Unlike the paper (`labels_first: 0`), the first quarter of the steps
    learns from labels alone.

    Mean and variance of the confidence are taken after uniform alignment, over the very numbers that are weighted.
    TorchSSL, which made the paper's table, takes them before it, and so judges aligned confidences by unaligned ones.

    Parameters
    ----------
    decay: of the moving averages; shorter than the paper's 0.999, which is for a million steps.
    deviations: how many times narrower than the confidences' own spread the Gaussian is.
    uniform_alignment: whether predictions are balanced over classes before they are weighted.
    """

    title = "SoftMatch"
    reference = Reference(("Chen", "others"), 2023)

    decay: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    deviations: Annotated[float, Gt(0)] = 2.0
    uniform_alignment: bool = True
    labels_first: Annotated[float, Interval(ge=0, lt=1), Since("0.1", before=0.0)] = 0.25

    def rule(self, num_classes: int, unlabelled: int) -> SoftMatchRule:
        from labelbench_plus.trainers.semi_supervised._softmatch import SoftMatchRule

        return SoftMatchRule(self.decay, self.deviations, self.uniform_alignment, num_classes)
