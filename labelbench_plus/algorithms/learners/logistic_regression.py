"""Multinomial logistic regression with an L2 penalty, solved to its optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached

TOLERANCE = 1e-7
MAX_ITERATIONS = 200
MAX_CG_STEPS = 500
REFRESH_STEPS = 30
"""Conjugate-gradient steps of one Newton step after which the preconditioner is made anew."""
BIAS_RIDGE = 1e-9
"""Added to the preconditioner alone, where the unpenalised bias leaves it singular; the objective has none."""


@dataclass(frozen=True)
class LogisticRegressionFit:
    """An optimum.

    Attributes
    ----------
    weight: (K, d) float64, zero for a class without examples.
    bias: (K,) float64, −∞ for a class without examples.
    objective: mean cross-entropy + l2/2 · ‖weight‖².
    gradient_norm: Euclidean norm of the objective's gradient there.
    iterations: Newton steps taken.
    converged: whether the gradient met the tolerance.
    """

    weight: Tensor
    bias: Tensor
    objective: float
    gradient_norm: float
    iterations: int
    converged: bool

    def logits(self, features: Tensor) -> Tensor:
        """(n, K) in the precision of `features` (n, d)."""
        return torch.addmm(self.bias.to(features), features, self.weight.to(features).T)

    def probabilities(self, features: Tensor) -> Tensor:
        """(n, K) in the precision of `features` (n, d)."""
        return self.logits(features).softmax(dim=1)


@detached
def logistic_regression(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    l2: float,
    start: LogisticRegressionFit | None = None,
    tolerance: float = TOLERANCE,
) -> LogisticRegressionFit:
    """Minimise (1/n) Σ_i −log softmax(W x_i + b)[y_i] + (l2/2) ‖W‖² over W (K, d) and b (K,).

    scikit-learn's `LogisticRegression(C=1 / (n * l2))` has the same optimum. A class without examples has no finite
    optimal bias: its probability at the optimum is zero, and that is what is returned, exactly.

    Newton's method in float64; each step is solved by conjugate gradients, preconditioned by the inverse of the
    curvature averaged over classes (after Böhning, 1992, whose fixed bound is its value at uniform probabilities).
    With fewer examples than features W lies in the span of the examples, and is sought there.

    Parameters
    ----------
    features: (n, d) floating point, n >= 1.
    labels: (n,) integers in 0..num_classes-1.
    num_classes: K >= 2.
    l2: penalty, positive.
    start: where to begin; the optimum is the same, the way shorter. Its d and K must agree.
    tolerance: the gradient's norm at which to stop, relative to its norm at zero where that is larger than one.

    Raises
    ------
    ValueError
        Features not finite, labels out of range or of another length, no examples, `l2` not positive, or a `start`
        of another shape.

    Notes
    -----
    With r = min(n, d): O(n d r + n r²) to set up, O(n r K) a conjugate-gradient step; O(n (r + K) + r²) memory. No
    draw is made: the same input gives the same bits for a fixed number of threads.
    """
    _check(features, labels, num_classes, l2, start)
    present = torch.unique(labels)
    x = features.double()
    basis = None
    if x.shape[0] < x.shape[1]:
        basis, triangle = torch.linalg.qr(x.T)
        x = triangle.T.contiguous()
    x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    coefficients = x.new_zeros(len(present), x.shape[1])
    if start is not None:
        weight = start.weight[present].to(x)
        coefficients[:, :-1] = weight @ basis if basis is not None else weight
        coefficients[:, -1] = torch.nan_to_num(start.bias[present].to(x), neginf=0.0)
        coefficients -= coefficients.mean(dim=0)
    targets = (labels[:, None] == present).to(x)
    solved = _newton(x, targets, coefficients, l2, tolerance)
    weight = x.new_zeros(num_classes, features.shape[1])
    weight[present] = solved.coefficients[:, :-1] @ basis.T if basis is not None else solved.coefficients[:, :-1]
    bias = x.new_full((num_classes,), -torch.inf)
    bias[present] = solved.coefficients[:, -1]
    return LogisticRegressionFit(
        weight, bias, solved.objective, solved.gradient_norm, solved.iterations, solved.converged
    )


@dataclass(frozen=True)
class _Solved:
    coefficients: Tensor
    objective: float
    gradient_norm: float
    iterations: int
    converged: bool


def _newton(x: Tensor, targets: Tensor, coefficients: Tensor, l2: float, tolerance: float) -> _Solved:
    """Minimise over coefficients (K, r + 1), whose last column is the bias; rows of `coefficients` sum to zero."""
    n = len(x)
    penalty = torch.full_like(coefficients[0], l2)
    penalty[-1] = 0.0

    def evaluate(at: Tensor) -> tuple[float, Tensor]:
        log_probabilities = torch.log_softmax(x @ at.T, dim=1)
        loss = -(log_probabilities * targets).sum() / n
        return float(loss + 0.5 * (at * at * penalty).sum()), log_probabilities.exp()

    uniform = torch.full_like(targets, 1 / targets.shape[1])
    limit = tolerance * max(1.0, float(((uniform - targets).T @ x / n).norm()))
    objective, probabilities = evaluate(coefficients)
    precondition: Callable[[Tensor], Tensor] | None = None
    steps = 0
    for iteration in range(MAX_ITERATIONS):
        gradient = (probabilities - targets).T @ x / n + coefficients * penalty
        norm = float(gradient.norm())
        if norm <= limit:
            return _Solved(coefficients, objective, norm, iteration, True)
        if precondition is None or steps > REFRESH_STEPS:
            precondition = _preconditioner(x, probabilities, penalty)
        curvature = _curvature(x, probabilities, penalty)
        direction, steps = _conjugate_gradients(curvature, precondition, gradient, min(0.1, norm**0.5))
        slope = float((gradient * direction).sum())
        length = 1.0
        while True:
            trial = coefficients + length * direction
            trial_objective, trial_probabilities = evaluate(trial)
            # Close to the optimum the decrease drowns in rounding; the full Newton step is right there.
            if trial_objective <= objective + 1e-4 * length * slope + 1e-14 * abs(objective):
                break
            length /= 2
            if length < 1e-10:
                return _Solved(coefficients, objective, norm, iteration, False)
        coefficients, objective, probabilities = trial, trial_objective, trial_probabilities
    gradient = (probabilities - targets).T @ x / n + coefficients * penalty
    norm = float(gradient.norm())
    return _Solved(coefficients, objective, norm, MAX_ITERATIONS, norm <= limit)


def _curvature(x: Tensor, probabilities: Tensor, penalty: Tensor) -> Callable[[Tensor], Tensor]:
    """The Hessian as a function of a direction (K, r + 1)."""

    def product(direction: Tensor) -> Tensor:
        change = x @ direction.T
        change = probabilities * (change - (probabilities * change).sum(dim=1, keepdim=True))
        return change.T @ x / len(x) + direction * penalty

    return product


@detached
def ridged_inverse(average: Tensor, penalty: Tensor) -> Tensor:
    """The inverse of `average` (r + 1, r + 1) plus its penalty, and as much more as it takes; overwrites it."""
    average.diagonal().add_(penalty + BIAS_RIDGE)
    ridge = BIAS_RIDGE
    while True:
        factor, failed = torch.linalg.cholesky_ex(average)
        if not int(failed):
            return torch.cholesky_inverse(factor)
        average.diagonal().add_(ridge)
        ridge *= 10


def _preconditioner(x: Tensor, probabilities: Tensor, penalty: Tensor) -> Callable[[Tensor], Tensor]:
    """The inverse of the curvature averaged over classes, one matrix for all of them."""
    spread = (1 - (probabilities * probabilities).sum(dim=1)) / max(probabilities.shape[1] - 1, 1) / len(x)
    average = x.T @ (x * spread[:, None])
    inverse = ridged_inverse(average, penalty)

    def solve(residual: Tensor) -> Tensor:
        solution = residual @ inverse
        return solution - solution.mean(dim=0)

    return solve


def _conjugate_gradients(
    curvature: Callable[[Tensor], Tensor],
    precondition: Callable[[Tensor], Tensor],
    gradient: Tensor,
    accuracy: float,
) -> tuple[Tensor, int]:
    """Solve curvature(direction) = −gradient to a share `accuracy` of the gradient's norm."""
    direction = torch.zeros_like(gradient)
    residual = -gradient
    goal = accuracy * float(residual.norm())
    conjugate = step = precondition(residual)
    energy = float((residual * step).sum())
    steps = 0
    while steps < MAX_CG_STEPS:
        steps += 1
        image = curvature(conjugate)
        along = float((conjugate * image).sum())
        if along <= 0:  # rounding only: the objective is convex
            break
        share = energy / along
        direction = direction + share * conjugate
        residual = residual - share * image
        if float(residual.norm()) <= goal:
            break
        step = precondition(residual)
        energy, before = float((residual * step).sum()), energy
        conjugate = step + energy / before * conjugate
    return direction, steps


def _check(features: Tensor, labels: Tensor, num_classes: int, l2: float, start: LogisticRegressionFit | None) -> None:
    check_matrix(features, "features")
    if labels.shape != features.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels must be {features.shape[0]} integers, one per row of features, got {labels.dtype} "
            f"{tuple(labels.shape)}"
        )
    if len(labels) == 0:
        raise ValueError("no examples to learn from: features and labels are empty")
    if num_classes < 2 or int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1} with at least two classes, "
            f"got {int(labels.min())}..{int(labels.max())}"
        )
    if not l2 > 0:
        raise ValueError(f"l2 must be positive, got {l2}")
    if start is not None and start.weight.shape != (num_classes, features.shape[1]):
        expected = (num_classes, features.shape[1])
        raise ValueError(f"start must have weights of shape {expected}, got {tuple(start.weight.shape)}")
