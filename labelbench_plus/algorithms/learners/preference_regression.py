"""Logistic regression of preferences on differences of features: few coefficients, no bias, any centre."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from labelbench_plus.algorithms.blocks.detached import detached

STEPS = 100
TOLERANCE = 1e-10
HALVINGS = 40


@dataclass(frozen=True)
class PreferenceFit:
    """The optimum: coefficients (d,) and the curvature (d, d) of the objective there, float64."""

    coefficients: Tensor
    curvature: Tensor


@detached
def preference_regression(differences: Tensor, *, l2: float, centre: Tensor) -> PreferenceFit:
    """Minimise Σ log(1 + exp(−w · x_i)) + l2/2 ‖w − centre‖², by Newton's method with halved steps.

    Parameters
    ----------
    differences: (n, d) features of what was preferred less those of what was not; n may be 0.
    l2: positive.
    centre: (d,) what w is pulled towards.

    Raises
    ------
    ValueError
        Values that are not finite, shapes that do not match, or `l2` that is not positive.
    """
    x, start = differences.double(), centre.double()
    if x.ndim != 2 or start.shape != x.shape[1:]:
        raise ValueError(f"expected (n, d) and (d,), got {tuple(x.shape)} and {tuple(start.shape)}")
    if not bool(x.isfinite().all()) or not bool(start.isfinite().all()):
        raise ValueError("differences and centre: expected finite values")
    if not l2 > 0:
        raise ValueError(f"l2: expected a number above 0, got {l2}")

    def objective(w: Tensor) -> Tensor:
        return softplus(-(x @ w)).sum() + l2 / 2 * ((w - start) ** 2).sum()

    w, identity = start.clone(), torch.eye(len(start), dtype=torch.float64)
    for _ in range(STEPS):
        scores = x @ w
        gradient = -x.T @ logsigmoid(-scores).exp() + l2 * (w - start)
        chance = scores.sigmoid()
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x + l2 * identity
        step = torch.linalg.solve(curvature, gradient)
        if float(gradient @ step) <= TOLERANCE:
            break
        length, before = 1.0, objective(w)
        for _ in range(HALVINGS):
            if bool(objective(w - length * step) < before):
                break
            length /= 2
        w = w - length * step
    return PreferenceFit(w, curvature)
