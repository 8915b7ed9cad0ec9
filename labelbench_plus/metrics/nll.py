"""Mean negative log-likelihood of the true classes, in nats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.metrics import Metric, metrics

if TYPE_CHECKING:
    from torch import Tensor


@metrics.register("nll")
@dataclass(frozen=True)
class NegativeLogLikelihood(Metric):
    """Mean negative log-likelihood of the true classes, in nats; probabilities below 1e-12 count as 1e-12."""

    title = "Negative log-likelihood"
    higher_is_better = False

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        import torch

        chosen = probabilities.double().gather(1, labels[:, None]).clamp_min(1e-12)
        return float(-torch.log(chosen).mean())

    def denominators(self, labels: np.ndarray, groups: np.ndarray | None) -> frozenset[int]:
        return frozenset()
