"""FlexMatch's rule: how its predictions become targets."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets


class FlexMatchRule(Rule):
    """Class-wise thresholds from how many unlabelled examples were last predicted as each class with confidence.

    `predicted` (N,) is the class in which each example's confidence last reached the threshold, K before that.
    """

    predicted: Tensor

    def __init__(self, threshold: float, num_classes: int, unlabelled: int) -> None:
        super().__init__()
        self.threshold = threshold
        self.register_buffer("predicted", torch.full((unlabelled,), num_classes))
        self.register_buffer("counts", torch.zeros(num_classes + 1, dtype=torch.long))
        self.counts: Tensor
        self.counts[num_classes] = unlabelled

    def thresholds(self) -> Tensor:
        """(K,): τ · M(β) with β = counts over the largest of them and of those never predicted (eqs. 7, 11, 12)."""
        beta = self.counts[:-1] / self.counts.max().clamp_min(1)
        return self.threshold * beta / (2 - beta)

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        confidence, classes = weak_logits.softmax(dim=1).max(dim=1)
        weights = (confidence >= self.thresholds()[classes]).float()
        # The thresholds of the next step; an example that comes twice in a batch counts once, as of its last place.
        learned = confidence >= self.threshold
        items, classes_learned = items[learned], classes[learned]
        if len(items):
            order = torch.arange(len(items), device=items.device)
            last = torch.full_like(self.predicted, -1).scatter_reduce(0, items, order, "amax")[items] == order
            items, classes_learned = items[last], classes_learned[last]
            size = len(self.counts)
            self.counts -= torch.bincount(self.predicted[items], minlength=size)
            self.counts += torch.bincount(classes_learned, minlength=size)
            self.predicted[items] = classes_learned
        return Targets(classes, weights)
