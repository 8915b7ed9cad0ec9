"""FixMatch's rule: how its predictions become targets."""

from __future__ import annotations

from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets


class FixMatchRule(Rule):
    """The most probable class, where its probability reaches a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        confidence, classes = weak_logits.softmax(dim=1).max(dim=1)
        return Targets(classes, (confidence >= self.threshold).float())
