"""Rewards of a live world as they are estimated from bits, and policies that are trained for weighted sums of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.learners.preference_regression import preference_regression
from labelbench_plus.contracts.combiners import Live
from labelbench_plus.contracts.policy_sets import Fit
from labelbench_plus.decoding.adapters import Adapter

SMALL = 1e-10  # directions with less of the largest variance are rounding


@dataclass(frozen=True)
class RewardModel:
    """Estimates of rewards/β that are linear in what the reference makes of a response.

    Attributes
    ----------
    features: (c, n, r) float64 of the pool's responses: hidden states, centred within each prompt and of unit
        covariance there, so that ‖u‖² is the variance of features · u under the reference.
    """

    features: Tensor

    @classmethod
    def of(cls, states: Tensor) -> RewardModel:
        """Of hidden states (c, n, h)."""
        centred = (states - states.mean(dim=1, keepdim=True)).double()
        rows = centred.flatten(0, 1)
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        kept = values > SMALL * values.amax().clamp_min(torch.finfo(torch.float64).tiny)
        return cls(centred @ (vectors[:, kept] * values[kept].rsqrt()))

    def estimated(self, fit: Fit) -> np.ndarray:
        """(c, n) of the pool: the optimum of mean log(1 + exp(−c (r_W − r_L))) + λ/2 Var(r), which is convex."""
        pairs, count, width = fit.bits.pairs, len(fit.bits.pairs), self.features.shape[-1]
        if math.isinf(fit.penalty) or not count or not width:
            return np.zeros(self.features.shape[:2])
        apart = self.features[pairs.prompts, pairs.first] - self.features[pairs.prompts, pairs.second]
        won = torch.as_tensor(np.where(fit.bits.first_won, fit.sharpness, -fit.sharpness))[:, None].to(apart)
        start = torch.zeros(width, dtype=torch.float64)
        found = preference_regression((won * apart).cpu(), l2=fit.penalty * count, centre=start)
        return (self.features.cpu() @ found.coefficients).numpy()


@dataclass(frozen=True)
class EstimatedRewards:
    """Estimates (c, n) of each reward/β, and who trains a policy for a sum of them."""

    estimates: Sequence[np.ndarray]
    trained: Callable[[np.ndarray], Adapter]
    asked: Callable[[Adapter], Live]

    def optimised(self, weights: np.ndarray) -> Live:
        return self.asked(self.trained(np.tensordot(weights, np.stack(list(self.estimates)), axes=1)))
