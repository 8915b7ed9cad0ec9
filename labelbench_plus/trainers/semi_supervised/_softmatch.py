"""SoftMatch's rule: how its predictions become targets."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets


class SoftMatchRule(Rule):
    """Truncated Gaussian weights of the confidence after uniform alignment (Chen et al., 2023).

    `mean` () and `variance` () of the confidence, and `marginal` (K,) the mean prediction: moving averages.
    """

    mean: Tensor
    variance: Tensor
    marginal: Tensor

    def __init__(self, decay: float, deviations: float, uniform_alignment: bool, num_classes: int) -> None:
        super().__init__()
        self.decay, self.deviations, self.uniform_alignment = decay, deviations, uniform_alignment
        self.register_buffer("mean", torch.tensor(1 / num_classes))
        self.register_buffer("variance", torch.tensor(1.0))
        self.register_buffer("marginal", torch.full((num_classes,), 1 / num_classes))

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        probabilities = weak_logits.softmax(dim=1)
        classes = probabilities.argmax(dim=1)
        if self.uniform_alignment:  # for the weights alone: pseudo-labels stay what the model says
            self.marginal.lerp_(probabilities.mean(dim=0), 1 - self.decay)
            probabilities = probabilities / self.marginal.clamp_min(1e-12)
            probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)
        confidence = probabilities.amax(dim=1)
        self.mean.lerp_(confidence.mean(), 1 - self.decay)
        self.variance.lerp_(confidence.var() if len(confidence) > 1 else self.variance, 1 - self.decay)
        return Targets(classes, gaussian_weights(confidence, self.mean, self.variance, self.deviations))


def gaussian_weights(confidence: Tensor, mean: Tensor, variance: Tensor, deviations: float) -> Tensor:
    """1 from the mean upwards; below it a Gaussian of the distance in units of 1 / `deviations` of σ (eq. 6)."""
    short = (confidence - mean).clamp_max(0)
    return (-(short**2) * deviations**2 / (2 * variance.clamp_min(1e-12))).exp()
