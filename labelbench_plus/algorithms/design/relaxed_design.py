"""Optimal experimental design as a convex problem over weights, with a proof of how good the weights are.

Instead of n rows, choose weights 0 ≤ wᵢ ≤ cap with Σwᵢ = n that optimise a criterion of M(w) = M₀ + Σ wᵢ xᵢxᵢ', where
M₀ = ridge·I + Σ (labelled row)(labelled row)'. With cap = 1 every set of n distinct rows is such a w, so that the
optimum bounds what any n rows can reach, and `design_rounding` turns the weights back into rows. With cap = None this
is the classical design measure, of mass n instead of one (Pukelsheim, Optimal Design of Experiments, 2006).

The criteria are concave (D, E) or convex (A, V) in w, so their linearisation at any w bounds the optimum: the
certificate is a dual bound, valid however early the iteration stops. G-optimality has no function here: without prior
information, without a cap and over the pool itself, a D-optimal measure is G-optimal, the largest leverage then being
d / n (Kiefer and Wolfowitz, 1960). With any of the three changed the equivalence fails.

Method: the linearisation (Frank–Wolfe's) chooses up to 2048 rows, those that most want more or less weight; on these a
quadratic model is maximised by pairwise exchanges, each with an exact step (`_exchange`), and a line search along the
resulting direction makes it a damped projected Newton method. On 50,000 rows of 64 features it took a fifth of the
time of exact pairwise exchanges on M⁻¹ (pairwise Frank–Wolfe), and multiplicative updates were nowhere near by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.design.design_criteria import (
    DesignCriterion,
    LogDeterminant,
    SmallestEigenvalue,
    TraceOfInverse,
)
from labelbench_plus.algorithms.design.design_matrix import (
    blocks,
    check_targets,
    information_matrix,
    largest_norm,
    mapped_norms,
    second_moment,
)
from labelbench_plus.algorithms.design.greedy_design import d_optimal

_HALF = 1024  # rows that want more weight, and rows that want less, in one quadratic model
_EXCHANGES = 3000  # at most in one quadratic model
_MODEL_SHARE = 0.1  # how much of the duality gap one quadratic model may leave


@dataclass(frozen=True)
class DesignCertificate:
    """What a design achieves, and what no design can exceed.

    objective: the criterion at the design: log det M for D, tr M⁻¹ for A, tr(M⁻¹T) for V, the smallest eigenvalue
        of M for E.
    bound: proven bound of the best objective any admissible weights have: from above for D and E, from below for
        A and V.
    gap: distance between the two, at least 0 up to rounding.
    efficiency: how much of the optimum is reached for certain, in (0, 1]: (det M / det of the bound)^(1/d) for D,
        bound / objective for A and V, objective / bound for E. An efficiency of 0.9 means that the bound could not
        be met with less than 0.9 of the mass (where M₀ = 0).
    iterations: passes over the rows (relaxations), or exchanges of rows (roundings).
    """

    objective: float
    bound: float
    gap: float
    efficiency: float
    iterations: int


@dataclass(frozen=True)
class RelaxedDesign:
    """weights: (N,) float64, in 0..cap, summing to n. certificate: their objective and its distance to the best."""

    weights: Tensor
    certificate: DesignCertificate


@detached
def relaxed_d_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    cap: float | None = 1.0,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> RelaxedDesign:
    """Maximise log det M(w) over weights (D-optimal; G-optimal too in the classical case, see the module).

    Parameters
    ----------
    features: (N, d) candidates, any floating dtype.
    n: mass Σwᵢ, at least 1.
    ridge: weight of the identity in M₀, in the squared unit of the features; 0 is allowed if the rows span all d
        directions.
    labelled: (m, d) rows already labelled.
    cap: largest weight of a row; 1 for designs of distinct rows, None for the classical measure.
    tolerance: stop once the certificate's efficiency is 1 − tolerance.
    max_iterations: stop after so many passes in any case; the certificate then says how far it is.

    Returns
    -------
    RelaxedDesign.

    Raises
    ------
    ValueError
        Not finite, shapes that do not agree, n < 1, N rows of weight `cap` lighter than n, or M singular.

    Notes
    -----
    Deterministic. Should the products of the linear algebra library depend on the number of threads in their last
    digits, weights may differ within what the tolerance allows; here they did not. Ties: of equal rows the lowest
    has weight first.
    Time O(N d² + m²d) an iteration, m ≤ 2048; memory O(N + m²) beyond the features. Dual bound:
    log det M + d log(1 + gap / d) where gap is Frank–Wolfe's (Jaggi, 2013), from
    log det M ≤ tr(YM) − log det Y − d at the best multiple Y of the inverse.
    """
    prior = _prior(features, n, ridge, labelled, cap)
    return _relax(features, n, LogDeterminant(), prior, labelled, ridge, cap, tolerance, max_iterations)


@detached
def relaxed_a_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    cap: float | None = 1.0,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> RelaxedDesign:
    """Minimise tr M(w)⁻¹ over weights (A-optimal).

    Dual bound: f² / (f + gap) for the objective f and Frank–Wolfe's gap, from tr M⁻¹ ≥ 2 tr Y − tr(YMY) at the best
    multiple Y of the inverse. Everything else as in `relaxed_d_optimal`.
    """
    prior = _prior(features, n, ridge, labelled, cap)
    return _relax(features, n, TraceOfInverse(None), prior, labelled, ridge, cap, tolerance, max_iterations)


@detached
def relaxed_v_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
    cap: float | None = 1.0,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> RelaxedDesign:
    """Minimise the mean of t'M(w)⁻¹t over the rows t of `targets`, (m, d), by default `features` (V-optimal).

    Everything else as in `relaxed_a_optimal`.
    """
    prior = _prior(features, n, ridge, labelled, cap)
    criterion = TraceOfInverse(second_moment(check_targets(targets, features)).cpu())
    return _relax(features, n, criterion, prior, labelled, ridge, cap, tolerance, max_iterations)


@detached
def relaxed_e_optimal(
    features: Tensor,
    n: int,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    cap: float | None = 1.0,
    tolerance: float = 1e-2,
    max_iterations: int = 200,
) -> RelaxedDesign:
    """Maximise the smallest eigenvalue of M(w) over weights (E-optimal).

    The smallest eigenvalue has kinks, so a smooth stand-in is maximised: max over t of t + μ log det(M − tI), the
    barrier of the semidefinite program, with μ lowered as its own optimum comes near. The dual bound is that of the
    exact criterion: for every Z ⪰ 0 of trace one, λ_min(M(v)) ≤ ⟨Z, M(v)⟩, hence no v beats max over v of ⟨Z, M(v)⟩;
    Z = μ(M − tI)⁻¹. It closes more slowly than for the other criteria (hence the wider tolerance): a percent in
    seconds, a tenth of a percent in tens of seconds at N = 50,000 and d = 64. Everything else as in
    `relaxed_d_optimal`.
    """
    prior = _prior(features, n, ridge, labelled, cap)
    return _relax(features, n, SmallestEigenvalue(), prior, labelled, ridge, cap, tolerance, max_iterations)


@detached
def weighted_information(features: Tensor, weights: Tensor, prior: Tensor) -> Tensor:
    """Return M(w) = M₀ + Σ wᵢ xᵢxᵢ', (d, d) float64 in main memory; rows of weight 0 cost nothing."""
    support = weights.nonzero()[:, 0]
    roots = weights[support].sqrt()
    total = torch.zeros_like(prior, device=features.device)
    for where, part in blocks(features[support]):
        scaled = part * roots[where, None]
        total.addmm_(scaled.T, scaled)
    return prior + total.cpu()


def _prior(features: Tensor, n: int, ridge: float, labelled: Tensor | None, cap: float | None) -> Tensor:
    """M₀ in main memory, after the arguments that every relaxation takes have been checked."""
    check_matrix(features, "features")
    if n < 1:
        raise ValueError(f"the mass n must be at least 1, got {n}")
    if cap is not None and not cap > 0:
        raise ValueError(f"cap must be positive, or None for no cap, got {cap}")
    if len(features) * (n if cap is None else cap) < n:
        raise ValueError(f"{len(features)} rows of weight at most {cap} cannot carry a mass of {n}")
    return information_matrix(features, ridge, labelled).cpu()


def _relax(
    features: Tensor,
    n: int,
    criterion: DesignCriterion,
    prior: Tensor,
    labelled: Tensor | None,
    ridge: float,
    cap: float | None,
    tolerance: float,
    max_iterations: int,
) -> RelaxedDesign:
    ceiling = float(n) if cap is None else min(float(cap), float(n))
    weights = _start(features, n, prior, labelled, ridge, ceiling)
    best_weights, objective, bound = weights, -criterion.sense * inf, criterion.sense * inf
    iterations = 0
    while iterations < max_iterations:
        iterations += 1
        information = weighted_information(features, weights, prior)
        criterion.expand(information)
        slopes = mapped_norms(features, criterion.root().to(features.device))
        gap = max(0.0, _heaviest(slopes, n, ceiling) - float(slopes @ weights))
        reached = criterion.objective(information)
        if criterion.sense * (reached - objective) > 0:
            best_weights, objective = weights, reached
        bound = criterion.sense * min(criterion.sense * bound, criterion.sense * criterion.bound(gap))
        if criterion.efficiency(objective, bound) >= 1 - tolerance:
            break
        if not criterion.sharpen(gap, tolerance):
            better = _improve(features, weights, slopes, gap / n, ceiling, criterion, information)
            if better is None:  # rounding keeps the score from rising: as good as float64 makes it
                break
            weights = better
    efficiency = criterion.efficiency(objective, bound)
    distance = criterion.sense * (bound - objective)
    best_weights = _lowest_first(features, best_weights, ceiling)
    return RelaxedDesign(best_weights, DesignCertificate(objective, bound, distance, efficiency, iterations))


def _lowest_first(features: Tensor, weights: Tensor, ceiling: float) -> Tensor:
    """The same M with the weight of equal rows on the lowest of them, as far as the cap allows."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**63), 2**63 - 1, (features.shape[1],), generator=generator).to(features.device)
    codes = torch.empty(len(features), dtype=torch.int64, device=features.device)
    for where, part in blocks(features):
        codes[where] = ((part + 0.0).view(torch.int64) * factors).sum(dim=1)  # + 0.0 turns -0.0 into 0.0
    group, sizes = torch.unique(codes, return_inverse=True, return_counts=True)[1:]
    by_group = group.argsort(stable=True)
    first = sizes.cumsum(0) - sizes
    rank = torch.empty_like(group)
    rank[by_group] = torch.arange(len(group), device=group.device) - first[group[by_group]]
    totals = torch.zeros(len(sizes), dtype=torch.float64, device=weights.device).index_add_(0, group, weights)
    moved = torch.where(sizes[group] == 1, weights, (totals[group] - rank * ceiling).clamp(0, ceiling))
    changed = (moved != weights).nonzero()[:, 0]
    leaders = by_group[first[group[changed]]]
    # Different rows of equal code are all but impossible; then weights stay where they are.
    return moved if torch.equal(features[changed], features[leaders]) else weights


def _start(
    features: Tensor,
    n: int,
    prior: Tensor,
    labelled: Tensor | None,
    ridge: float,
    ceiling: float,
) -> Tensor:
    """Equal weights on enough rows, chosen by greedy D-optimality, for M to be regular and the cap to be kept."""
    count = min(len(features), max(ceil(n / ceiling), 2 * features.shape[1]))
    stand_in = 1e-8 * (float(prior.trace()) + largest_norm(features) ** 2)
    picks = d_optimal(features, count, ridge=max(ridge, stand_in), labelled=labelled)
    weights = torch.zeros(len(features), dtype=torch.float64, device=features.device)
    weights[picks] = n / count
    spectrum = torch.linalg.eigvalsh(weighted_information(features, weights, prior))
    if len(spectrum) and float(spectrum[0]) <= 1e-12 * float(spectrum[-1]):
        raise ValueError(
            f"{count} rows and ridge={ridge:g} leave M singular: features and labelled rows must span all "
            f"{features.shape[1]} directions, or the ridge must be larger"
        )
    return weights


def _heaviest(slopes: Tensor, n: int, ceiling: float) -> float:
    """The largest Σ vᵢ slopeᵢ over admissible weights v: as much weight as allowed on the steepest rows."""
    whole = min(len(slopes), int(n / ceiling * (1 + 1e-12)))
    steepest = slopes.topk(min(len(slopes), whole + 1)).values
    total = ceiling * float(steepest[:whole].sum())
    rest = n - whole * ceiling
    return total + rest * float(steepest[-1]) if rest > 0 and len(steepest) > whole else total


def _improve(
    features: Tensor,
    weights: Tensor,
    slopes: Tensor,
    goal: float,
    ceiling: float,
    criterion: DesignCriterion,
    information: Tensor,
) -> Tensor | None:
    """One damped Newton step on the rows whose slopes most contradict their weights; None if the score stays."""
    rising = slopes.masked_fill(weights >= ceiling, -inf).topk(min(_HALF, len(slopes))).indices
    falling = slopes.masked_fill(weights <= 0, inf).topk(min(_HALF, len(slopes)), largest=False).indices
    rows = torch.cat([rising, falling]).unique()
    part = features[rows].double().cpu()
    now, slope = weights[rows].cpu(), slopes[rows].cpu()
    step = torch.from_numpy(
        _exchange(
            slope.numpy(),
            criterion.curvature(part).numpy(),
            -now.numpy(),
            (ceiling - now).numpy(),
            _MODEL_SHARE * goal,
        )
    )
    direction = (part * step[:, None]).T @ part
    promised = float(slope @ step)
    score = criterion.score(information)
    length = 1.0
    while criterion.score(information + length * direction) < score + 0.1 * length * promised:
        length /= 2
        if length < 1e-6:
            return None
    moved = now + length * step
    if length == 1:  # weights that met their bounds are to lie on them exactly
        moved = torch.where(step <= -now, 0.0, torch.where(step >= ceiling - now, ceiling, moved))
    better = weights.clone()
    better[rows] = moved.to(weights.device)
    return better


def _exchange(
    slope: NDArray[np.float64],
    curvature: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Maximise slope·x − x'Cx / 2 over low ≤ x ≤ high with Σx = 0, starting from x = 0.

    Sequential pairwise exchanges: the row with the steepest slope gains what the row with the largest second-order
    promise loses, by the exact amount (the working-set rule of Fan, Chen and Lin, JMLR 2005, for support vector
    machines). Stops when no two slopes differ by more than the tolerance, or after a fixed number of exchanges.
    """
    x = np.zeros_like(slope)
    slope = slope.copy()
    diagonal = curvature.diagonal()
    gain = np.where(high > 0, slope, -inf)
    loss = np.where(low < 0, slope, inf)
    for _ in range(_EXCHANGES):
        up = int(gain.argmax())
        difference = gain[up] - loss
        if difference.max() <= tolerance:
            break
        bend = diagonal[up] + diagonal - 2 * curvature[up]
        # Equal rows have no bend, and then no difference either; E at d = 1 has none at all: it is linear.
        np.maximum(bend, max(1e-12 * diagonal[up], 1e-100), out=bend)
        np.maximum(difference, 0, out=difference)
        down = int((difference * difference / bend).argmax())
        amount = min(difference[down] / bend[down], high[up] - x[up], x[down] - low[down])
        x[up] = high[up] if amount == high[up] - x[up] else x[up] + amount
        x[down] = low[down] if amount == x[down] - low[down] else x[down] - amount
        slope -= amount * (curvature[up] - curvature[down])
        gain = np.where(x < high, slope, -inf)
        loss = np.where(x > low, slope, inf)
    return x
