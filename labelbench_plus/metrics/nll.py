"""Mean negative log-likelihood of the true classes, in nats."""

from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.metrics import Metric, metrics


@metrics.register("nll")
@dataclass(frozen=True)
class NegativeLogLikelihood(Metric):
    """Mean negative log-likelihood of the true classes, in nats; probabilities below 1e-12 count as 1e-12."""

    higher_is_better = False

    def score(self, probabilities: Tensor, labels: Tensor) -> float:
        chosen = probabilities.double().gather(1, labels[:, None]).clamp_min(1e-12)
        return float(-torch.log(chosen).mean())
