"""Pseudo-labels: learning from one's own confident predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import Rule, SemiSupervised, Targets


class PseudoLabelRule(Rule):
    """The most probable class, where its probability reaches `threshold`; counts more and more until `ramp`."""

    learns_from_weak = True

    def __init__(self, threshold: float, ramp: float) -> None:
        super().__init__()
        self.threshold, self.ramp = threshold, ramp

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        confidence, classes = weak_logits.softmax(dim=1).max(dim=1)
        grown = min(progress / self.ramp, 1.0) if self.ramp else 1.0
        return Targets(classes, (confidence >= self.threshold).float() * grown)


@trainers.register("pseudo_label")
@dataclass(frozen=True)
class PseudoLabel(SemiSupervised):
    """Confident predictions on weakly augmented examples are labels for those same examples (Lee, 2013).

    Lee takes every prediction; the threshold is what later comparisons added (Oliver et al., 2018).

    Parameters
    ----------
    threshold: a prediction's probability from which on it counts.
    ramp: share of the steps over which the unlabelled loss grows from nothing to its weight (Lee's eq. 16).
    """

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.95
    ramp: Annotated[float, Interval(ge=0, le=1)] = 0.4

    def rule(self, num_classes: int, unlabelled: int) -> PseudoLabelRule:
        return PseudoLabelRule(self.threshold, self.ramp)
