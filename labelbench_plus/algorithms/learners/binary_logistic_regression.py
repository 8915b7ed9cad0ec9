"""Many binary logistic regressions on the same features, each solved to its own optimum, all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.learners.logistic_regression import ridged_inverse

TOLERANCE = 1e-7
MAX_ITERATIONS = 200
MAX_CG_STEPS = 500
MAX_HALVINGS = 34  # to a step of 1e-10


@dataclass(frozen=True)
class BinaryLogisticFit:
    """The optima.

    Attributes
    ----------
    weight: (K, d) float64, zero for a label that all examples have, or none.
    bias: (K,) float64, +∞ for a label that all examples have, −∞ for one that none has.
    objective: (K,) mean cross-entropy + l2/2 · ‖weight‖².
    iterations: Newton steps until the last of them was done, or given up.
    converged: (K,) whether the gradient met the tolerance.
    """

    weight: Tensor
    bias: Tensor
    objective: Tensor
    iterations: int
    converged: Tensor

    def probabilities(self, features: Tensor) -> Tensor:
        """(n, K), of each label on its own, in the precision of `features` (n, d)."""
        return torch.addmm(self.bias.to(features), features, self.weight.to(features).T).sigmoid()


@detached
def binary_logistic_regression(
    features: Tensor,
    labels: Tensor,
    *,
    l2: float,
    start: BinaryLogisticFit | None = None,
    tolerance: float = TOLERANCE,
) -> BinaryLogisticFit:
    """For each label k minimise (1/n) Σ_i log(1 + exp(−s_ik (w_k·x_i + b_k))) + (l2/2) ‖w_k‖², s = ±1.

    scikit-learn's `LogisticRegression(C=1 / (n * l2))` on column k has the same optimum. A label that all examples
    have, or none, has no finite optimal bias: its probability at the optimum is 1 or 0, and that is what is returned.

    Newton's method in float64 for all labels side by side: products with the features are shared, steps are solved by
    conjugate gradients that are preconditioned by the curvature averaged over labels, and a label that is done takes
    no further part. With fewer examples than features weights lie in the span of the examples, and are sought there.

    Parameters
    ----------
    features: (n, d) floating point, n >= 1.
    labels: (n, K) of 0 and 1.
    l2: penalty, positive.
    start: where to begin; the optima are the same, the way shorter. Its d and K must agree.
    tolerance: a gradient's norm at which to stop, relative to its norm at zero where that is larger than one.

    Raises
    ------
    ValueError
        Features not finite, labels of another shape or other than 0 and 1, no examples, `l2` not positive, or a
        `start` of another shape.

    Notes
    -----
    With r = min(n, d): O(n d r + n r²) to set up, O(n r K) a conjugate-gradient step; O(n (r + K) + r²) memory. No
    draw is made: the same input gives the same bits for a fixed number of threads.
    """
    _check(features, labels, l2, start)
    count, size = features.shape[0], features.shape[1]
    positives = labels.sum(dim=0)
    mixed = ((positives > 0) & (positives < count)).nonzero()[:, 0]
    x = features.double()
    basis = None
    if count < size:
        basis, triangle = torch.linalg.qr(x.T)
        x = triangle.T.contiguous()
    x = torch.cat([x, x.new_ones(count, 1)], dim=1)
    coefficients = x.new_zeros(len(mixed), x.shape[1])
    if start is not None:
        weight = start.weight[mixed].to(x)
        coefficients[:, :-1] = weight @ basis if basis is not None else weight
        coefficients[:, -1] = torch.nan_to_num(start.bias[mixed].to(x), posinf=0.0, neginf=0.0)
    solved, objectives, converged, steps = _newton(x, labels[:, mixed].to(x), coefficients, l2, tolerance)
    weight = x.new_zeros(labels.shape[1], size)
    weight[mixed] = solved[:, :-1] @ basis.T if basis is not None else solved[:, :-1]
    bias = torch.where(positives > 0, torch.inf, -torch.inf).to(x)
    bias[mixed] = solved[:, -1]
    objective = x.new_zeros(labels.shape[1])
    objective[mixed] = objectives
    done = torch.ones(labels.shape[1], dtype=torch.bool, device=x.device)
    done[mixed] = converged
    return BinaryLogisticFit(weight, bias, objective, steps, done)


def _newton(
    x: Tensor, targets: Tensor, coefficients: Tensor, l2: float, tolerance: float
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Minimise over coefficients (K, r + 1), whose last column is the bias, row by row."""
    n = len(x)
    penalty = torch.full_like(x[0], l2)
    penalty[-1] = 0.0

    def evaluate(at: Tensor, goals: Tensor) -> tuple[Tensor, Tensor]:
        logits = x @ at.T
        loss = (softplus(logits) - goals * logits).sum(dim=0) / n
        return loss + 0.5 * (at * at * penalty).sum(dim=1), logits.sigmoid()

    limits = tolerance * ((0.5 - targets).T @ x / n).norm(dim=1).clamp(min=1.0)
    objectives = evaluate(coefficients, targets)[0]
    converged = torch.zeros(len(coefficients), dtype=torch.bool, device=x.device)
    left = torch.arange(len(coefficients), device=x.device)  # that still move
    steps = 0
    while len(left):
        at, goals = coefficients[left], targets[:, left]
        objective, probabilities = evaluate(at, goals)
        gradient = (probabilities - goals).T @ x / n + at * penalty
        norms = gradient.norm(dim=1)
        met = norms <= limits[left]
        converged[left[met]] = True
        moving = ~met
        if steps == MAX_ITERATIONS or not bool(moving.any()):
            break
        steps += 1
        left, at, goals, gradient = left[moving], at[moving], goals[:, moving], gradient[moving]
        objective, probabilities, norms = objective[moving], probabilities[:, moving], norms[moving]
        curvature = probabilities * (1 - probabilities) / n
        direction = _conjugate_gradients(x, curvature, penalty, gradient, norms.sqrt().clamp(max=0.1) * norms)
        slope = (gradient * direction).sum(dim=1)
        length = torch.ones_like(slope)
        waiting = torch.ones(len(left), dtype=torch.bool, device=x.device)
        for _ in range(MAX_HALVINGS):
            reached = evaluate(at + length[:, None] * direction, goals)[0]
            # Close to the optimum the decrease drowns in rounding; the full Newton step is right there.
            waiting = reached > objective + 1e-4 * length * slope + 1e-14 * objective.abs()
            if not bool(waiting.any()):
                break
            length = torch.where(waiting, length / 2, length)
        moved = torch.where(waiting[:, None], at, at + length[:, None] * direction)
        coefficients[left] = moved
        objectives[left] = evaluate(moved, goals)[0]
        left = left[~waiting]  # no step leads down any more: not converged, but as far as it goes
    return coefficients, objectives, converged, steps


def _conjugate_gradients(x: Tensor, curvature: Tensor, penalty: Tensor, gradient: Tensor, goals: Tensor) -> Tensor:
    """Solve (xᵀ diag(curvature_k) x + penalty) direction_k = −gradient_k to a residual of goals_k, for every row k."""
    precondition = _preconditioner(x, curvature.mean(dim=1), penalty)
    direction = torch.zeros_like(gradient)
    residual = -gradient
    conjugate = step = precondition(residual)
    energy = (residual * step).sum(dim=1)
    active = torch.ones_like(energy, dtype=torch.bool)
    for _ in range(MAX_CG_STEPS):
        image = (curvature * (x @ conjugate.T)).T @ x + conjugate * penalty
        along = (conjugate * image).sum(dim=1)
        active = active & (along > 0)  # otherwise rounding only: the objective is convex
        share = torch.where(active, energy / along, 0.0)[:, None]
        direction = direction + share * conjugate
        residual = residual - share * image
        active = active & (residual.norm(dim=1) > goals)
        if not bool(active.any()):
            break
        step = precondition(residual)
        energy, before = (residual * step).sum(dim=1), energy
        conjugate = torch.where(active[:, None], step + (energy / before)[:, None] * conjugate, 0.0)
    return direction


def _preconditioner(x: Tensor, weights: Tensor, penalty: Tensor) -> Callable[[Tensor], Tensor]:
    """The inverse of the curvature averaged over labels, one matrix for all of them."""
    average = x.T @ (x * weights[:, None])
    inverse = ridged_inverse(average, penalty)
    return lambda residual: residual @ inverse


def _check(features: Tensor, labels: Tensor, l2: float, start: BinaryLogisticFit | None) -> None:
    check_matrix(features, "features")
    if labels.ndim != 2 or len(labels) != len(features) or labels.is_floating_point() or labels.shape[1] < 1:
        raise ValueError(
            f"labels must be ({len(features)}, K) integers, a row for each of features, got {labels.dtype} "
            f"{tuple(labels.shape)}"
        )
    if len(labels) == 0:
        raise ValueError("no examples to learn from: features and labels are empty")
    if int(labels.min()) < 0 or int(labels.max()) > 1:
        raise ValueError(f"labels must be 0 or 1, got {int(labels.min())}..{int(labels.max())}")
    if not l2 > 0:
        raise ValueError(f"l2 must be positive, got {l2}")
    expected = (labels.shape[1], features.shape[1])
    if start is not None and start.weight.shape != expected:
        raise ValueError(f"start must have weights of shape {expected}, got {tuple(start.weight.shape)}")
