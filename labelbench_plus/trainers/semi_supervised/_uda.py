"""UDA's rule: how its predictions become targets."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets

Annealing = Literal["linear", "log", "exp"]


class UDARule(Rule):
    """Sharpened distributions where the prediction is confident; annealing of the labelled loss."""

    def __init__(self, threshold: float, temperature: float, annealing: Annealing | None) -> None:
        super().__init__()
        self.threshold, self.temperature, self.annealing = threshold, temperature, annealing

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        confidence = weak_logits.softmax(dim=1).amax(dim=1)
        sharpened = (weak_logits / self.temperature).softmax(dim=1)
        return Targets(sharpened, (confidence >= self.threshold).float())

    def labelled_weights(self, logits: Tensor, labels: Tensor, progress: float) -> Tensor | None:
        if self.annealing is None:
            return None
        right = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
        return (right <= annealed_threshold(self.annealing, progress, logits.shape[1])).float()


def annealed_threshold(annealing: Annealing, progress: float, num_classes: int) -> float:
    """Training signal annealing: from 1/K at the start to 1 at the end (Xie et al., 2020, section 3.2)."""
    share = {
        "linear": progress,
        "log": 1 - math.exp(-5 * progress),
        "exp": math.exp(5 * (progress - 1)),
    }[annealing]
    return share * (1 - 1 / num_classes) + 1 / num_classes
