"""Mean negative log-likelihood of the labels under a normal distribution around what was predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-12  # share of the labels' variance, or of their square where they are all alike


@metrics.register("gaussian_nll")
@dataclass(frozen=True)
class GaussianNegativeLogLikelihood(Metric):
    """Mean of log(2 pi v) / 2 + (y - m)^2 / (2 v) over labels y, in nats, with the model's value m and variance v.

    A variance below 1e-12 times that of the labels counts as that much, so that who is certain and wrong pays a great
    deal, yet a finite sum. Ten times the labels add log(10).
    """

    title = "Gaussian negative log-likelihood"
    higher_is_better = False
    task = "regression"
    reads = "intervals"

    def score(self, intervals: Tensor, labels: Tensor) -> float:
        labels = labels.double()
        mean, variance = intervals.double().unbind(dim=1)
        spread = float(labels.var(correction=0)) or float(labels.square().mean()) or 1.0
        variance = variance.clamp(min=LEAST * spread)
        surprise = (labels - mean) / variance.sqrt()
        return float((0.5 * (2 * math.pi * variance).log() + 0.5 * surprise.square()).mean())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return frozenset()
