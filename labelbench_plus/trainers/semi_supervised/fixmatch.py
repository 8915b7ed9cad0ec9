"""FixMatch: a confident prediction on a weakly augmented example is the label of its strongly augmented version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import Rule, SemiSupervised, Targets


class FixMatchRule(Rule):
    """The most probable class, where its probability reaches a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        confidence, classes = weak_logits.softmax(dim=1).max(dim=1)
        return Targets(classes, (confidence >= self.threshold).float())


@trainers.register("fixmatch")
@dataclass(frozen=True)
class FixMatch(SemiSupervised):
    """Consistency under strong augmentation with confident pseudo-labels (Sohn et al., 2020, eq. 4).

    Parameters
    ----------
    threshold: a prediction's probability from which on it counts.
    """

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.95

    def rule(self, num_classes: int, unlabelled: int) -> FixMatchRule:
        return FixMatchRule(self.threshold)
