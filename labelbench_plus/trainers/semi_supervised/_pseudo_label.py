"""The rule of pseudo-labels: how its predictions become targets."""

from __future__ import annotations

from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets


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
