"""UDA: sharpened predictions on weakly augmented examples are the targets of strongly augmented ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Interval
from torch import Tensor

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.semi_supervised._semi_supervised import Rule, SemiSupervised, Targets

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


@trainers.register("uda")
@dataclass(frozen=True)
class UDA(SemiSupervised):
    """Unsupervised data augmentation (Xie et al., 2020), with confidence masking and sharpening.

    Parameters
    ----------
    threshold: probability of the most probable class from which on an example counts.
    temperature: of the softmax that makes targets; below 1 sharpens.
    annealing: leaves labelled examples out while they are predicted better than a bound that rises to 1; null for
        none.
    """

    threshold: Annotated[float, Interval(ge=0, le=1)] = 0.8
    temperature: Annotated[float, Gt(0)] = 0.4
    annealing: Annealing | None = None

    def rule(self, num_classes: int, unlabelled: int) -> UDARule:
        return UDARule(self.threshold, self.temperature, self.annealing)
