"""Bayesian linear regression: prior and noise are chosen so that the labels are most likely under them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.learners.ridge import GRID, CentredData, LinearModels, RidgeFit

TOLERANCE = 1e-10
MAX_ITERATIONS = 10_000
RANGE = 1e12  # of the penalty, either way, in units of the largest eigenvalue of the features' scatter matrix


@dataclass(frozen=True)
class BayesianLinearFit(RidgeFit):
    """The posterior mean is the ridge regression with `l2` = noise / prior variance; see `RidgeFit`.

    Attributes
    ----------
    noise: variance of a label around the model, at the maximum of the evidence.
    log_evidence: log density of the labels there, up to what depends on their number alone; infinite where the
        model fits them to the last bit.
    converged: whether the penalty settled. At the ends of its range it has not: labels that are constant, or that
        a linear function gives exactly, are most likely without noise or without weights.
    """

    log_evidence: float
    converged: bool

    @property
    def prior_variance(self) -> float:
        """Of every weight."""
        return self.noise / self.l2

    def draws(self, rng: Generator, members: int) -> LinearModels:
        """Models drawn from the posterior, (members,) of them: their predictions vary by `variance`.

        O(members d r) time for d features that vary in r directions.
        """
        drawn = torch.from_numpy(rng.standard_normal((members, len(self.mean) + 1))).to(self.weight.device)
        free, level = drawn[:, 1:], self.level + drawn[:, 0] * math.sqrt(self.noise / self.count)
        along = free @ self.directions.T
        inside, outside = (self.spectrum + self.l2).rsqrt(), 1 / math.sqrt(self.l2)
        deviation = free * outside + (along * (inside - outside)) @ self.directions
        return LinearModels(self.weight + math.sqrt(self.noise) * deviation, level, self.mean)


@detached
def bayesian_linear_regression(features: Tensor, labels: Tensor) -> BayesianLinearFit:
    """Fit y = w·x + b + noise with w ~ N(0, prior variance · I), nothing known of b, and Gaussian noise.

    Both variances maximise the evidence, the density of the labels with w and b integrated out: the best of a grid of
    penalties, then MacKay's fixed point. With γ the effective number of weights, prior variance = ‖w‖² / γ and
    noise = ‖residuals‖² / (n − 1 − γ); one label goes into b.

    Parameters
    ----------
    features: (n, d) floating point, n at least 1.
    labels: (n,) floating point.

    Returns
    -------
    BayesianLinearFit. `variance(x) + noise` is the predictive variance of a label.

    Raises
    ------
    ValueError
        Not finite, shapes that do not match, or no examples.

    Notes
    -----
    O(n d min(n, d)) time for the decomposition, O(r) an iteration; no draw is made. Scaling all labels scales the
    predictions, and leaves the penalty.
    Source: MacKay (1992), "Bayesian interpolation"; Bishop (2006), sections 3.5.1 and 3.5.2.
    """
    data = CentredData.of(features, labels)
    l2 = max((share * data.scale for share in GRID), key=lambda l2: (_log_evidence(data, l2), l2))
    converged = False
    for _ in range(MAX_ITERATIONS):
        following = _fixed_point(data, l2)
        following = min(max(following, data.scale / RANGE), data.scale * RANGE)
        converged = abs(math.log(following / l2)) <= TOLERANCE
        l2 = following
        if converged:
            break
    inside = data.scale / RANGE < l2 < data.scale * RANGE
    return BayesianLinearFit(*data.fit_parts(l2), _log_evidence(data, l2), converged and inside)


def _fixed_point(data: CentredData, l2: float) -> float:
    """The penalty that MacKay's two equations make of this one."""
    effective = float((data.spectrum / (data.spectrum + l2)).sum())
    squares = float(data.weight(l2).square().sum())
    residual = float(data.residuals(l2).square().sum())
    freedom = data.freedom(l2)
    if squares == 0 or freedom <= 0:
        return math.inf
    return effective / squares * residual / freedom


def _log_evidence(data: CentredData, l2: float) -> float:
    """At the best noise for this penalty."""
    if data.count < 2:
        return 0.0
    misfit = float(data.residuals(l2).square().sum()) + l2 * float(data.weight(l2).square().sum())
    volume = float((data.spectrum / l2).log1p().sum())
    return -0.5 * volume - 0.5 * (data.count - 1) * math.log(misfit) if misfit > 0 else math.inf
