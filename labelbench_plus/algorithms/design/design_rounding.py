"""From the weights of a relaxed design to exactly n distinct rows, with a guarantee proven and an efficiency measured.

Input are weights of `relaxed_design` with cap 1, so that M(w) is at most what all rows of positive weight together
give. Every function picks n of these s rows and reports

* `guarantee`, what a theorem promises beforehand, as an efficiency against the weights themselves, and
* a `DesignCertificate`, what was reached in fact, against the relaxation's bound of all sets of n rows. It is as a
  rule far better than the guarantee.

D, A and V: start with all s rows and drop the cheapest until n are left (Avron and Boutsidis, SIAM J. Matrix Anal.
2013, for tr M⁻¹); then, while it helps, drop the cheapest and take the best instead (Fedorov, 1972). E: the same around
a level, then exchanges by regret minimisation (Allen-Zhu, Li, Singh and Wang, Math. Programming 2021). All of it is
deterministic and in float64; values within one part in 10⁹ of the best tie and the lowest index is taken, the highest
dropped. Rows of weight 0 are never looked at, so that the time does not depend on N.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.design.design_criteria import (
    DesignCriterion,
    LogDeterminant,
    SmallestEigenvalue,
    TraceOfInverse,
    moment_root,
)
from labelbench_plus.algorithms.design.design_matrix import (
    TIE,
    check_targets,
    contenders,
    information_matrix,
    inverse_root,
    lowest_best,
    mapped_norms,
    second_moment,
)
from labelbench_plus.algorithms.design.relaxed_design import DesignCertificate, RelaxedDesign

_CONTENDERS = 512  # rows among which a block of drops is made
_BLOCK = 64  # longest such block
_LEAST = 1e-9  # a row of leverage closer to one is not dropped: M would be singular to float64
_LEVELS = 6  # halvings of the search for E's level


@dataclass(frozen=True)
class RoundedDesign:
    """picks: LongTensor of n distinct rows, ascending (a design has no order).

    certificate: the objective of the picks, the relaxation's bound and the efficiency between them; its iterations
        count exchanges of rows.
    guarantee: the efficiency against the weights that the theorem promises, 0 where its condition does not hold.
    """

    picks: Tensor
    certificate: DesignCertificate
    guarantee: float


@detached
def round_d_optimal(
    features: Tensor, design: RelaxedDesign, *, ridge: float, labelled: Tensor | None = None
) -> RoundedDesign:
    """Round a D-optimal relaxation to n distinct rows.

    Theorem: for n > d the picks have at least the D-efficiency exp(−d / (n − d)) of the weights, so that
    n ≥ d + d / ε gives 1 − ε. (No exchange that drops the row i of least leverage helps, hence every row j outside
    has hⱼ ≤ hᵢ / (1 − hᵢ). By concavity log det M(w) − log det M is at most the sum of wⱼhⱼ outside less that of
    (1 − wⱼ)hⱼ inside; both sums have the same weight a ≤ n, so it is at most a·hᵢ² / (1 − hᵢ); and hᵢ ≤ d / n. Cf.
    Madan, Singh, Tantipongpipat and Xie, COLT 2019, for exchanges of all pairs.)

    Parameters
    ----------
    features, ridge, labelled: as given to `relaxed_d_optimal`.
    design: its result, with weights of at most 1 that sum to a whole number n.

    Raises
    ------
    ValueError
        Weights not one for each row, outside 0..1, or not summing to a whole number.

    Notes
    -----
    Time O((s − n + exchanges) s d + s d²), memory O(s d).
    """
    problem = _Problem(features, design, ridge, labelled)
    chosen, exchanges = _at_level_zero(problem, None, trace=False)
    free = problem.n - problem.rows.shape[1]
    guarantee = exp(-problem.rows.shape[1] / free) if free > 0 else 0.0
    return problem.result(LogDeterminant(), chosen, exchanges, guarantee)


@detached
def round_a_optimal(
    features: Tensor, design: RelaxedDesign, *, ridge: float, labelled: Tensor | None = None
) -> RoundedDesign:
    """Round an A-optimal relaxation to n distinct rows.

    Theorem: for n ≥ d the picks have at least the efficiency (n − d + 1) / (s − d + 1) of the weights, where s rows
    have positive weight; an extreme optimum has s ≤ n + d(d + 1) / 2, so that n ≥ d + d² / ε gives 1 − ε. (All s rows
    are at least as good as the weights. Dropping i raises tr M⁻¹ by qᵢ / (1 − hᵢ), where Σqᵢ ≤ tr M⁻¹ and
    Σ(1 − hᵢ) ≥ s − d, so that the cheapest costs at most tr M⁻¹ / (s − d); the factors (s − d + 1) / (s − d)
    telescope. The argument of Avron and Boutsidis, 2013, Theorem 3.1, with M₀ allowed.) Exchanges after that only
    improve on it. Parameters, errors and cost as in `round_d_optimal`.
    """
    problem = _Problem(features, design, ridge, labelled)
    chosen, exchanges = _at_level_zero(problem, None, trace=True)
    return problem.result(TraceOfInverse(None), chosen, exchanges, problem.dropping_guarantee())


@detached
def round_v_optimal(
    features: Tensor,
    design: RelaxedDesign,
    *,
    ridge: float,
    labelled: Tensor | None = None,
    targets: Tensor | None = None,
) -> RoundedDesign:
    """Round a V-optimal relaxation to n distinct rows: theorem and method of `round_a_optimal`, with tr(M⁻¹T)."""
    problem = _Problem(features, design, ridge, labelled)
    moment = second_moment(check_targets(targets, features)).cpu()
    chosen, exchanges = _at_level_zero(problem, moment, trace=True)
    return problem.result(TraceOfInverse(moment), chosen, exchanges, problem.dropping_guarantee())


@detached
def round_e_optimal(
    features: Tensor, design: RelaxedDesign, *, ridge: float, labelled: Tensor | None = None
) -> RoundedDesign:
    """Round an E-optimal relaxation to n distinct rows.

    Start: for a level below the weights' λ_min, rows are dropped and exchanged as in `round_a_optimal`, with
    tr (M − level·I)⁻¹, which only choices with λ_min above the level survive; a search by halving looks for a high
    level, and the best choice met goes on. This has no theorem of its own, but the quality in practice is its.

    Theorem (Allen-Zhu, Li, Singh and Wang, Math. Programming 2021, section 3): with ε = √(5d / n), if ε ≤ 1/3 (that
    is n ≥ 45 d), exchanges by regret minimisation from any start end with M ⪰ (1 − 3ε) M(w), hence with an efficiency
    of 1 − 3ε under every criterion. The picks with the largest λ_min met on the way are returned, which is no worse.
    Below n = 45 d the same exchanges are made with ε = 1/3 and nothing is promised.

    An exchange: rows are measured in the metric of M(w). With Z the picks' matrix in it, α = √d / ε, l < λ_min(Z) the
    level at which tr (Z − lI)⁻² = α² and G = (Z − lI)⁻¹, the row of least (x'G²x / α²) / (1 − 2x'Gx) makes way for the
    row of largest (x'G²x / α²) / (1 + 2x'Gx), until the two are closer than 0.9 ε / n.

    Parameters and errors as in `round_d_optimal`. Time O((s − n) s d) a level, O(s d² + d³) an exchange.
    """
    problem = _Problem(features, design, ridge, labelled)
    n, dimension = problem.n, problem.rows.shape[1]
    chosen, exchanges = _at_level_zero(problem, None, trace=True)
    weighted = problem.rows * problem.weights.sqrt()[:, None]
    whole = problem.prior + weighted.T @ weighted
    top = float(torch.linalg.eigvalsh(whole)[0])
    low, high = 0.0, 1.0
    for _ in range(_LEVELS):
        middle = (low + high) / 2
        tried = _drop_and_exchange(problem, None, True, level=middle * top)
        if tried is None:
            high = middle
            continue
        low = middle
        exchanges += tried[1]
        chosen = max(chosen, tried[0], key=problem.smallest_eigenvalue)
    accuracy = sqrt(5 * dimension / max(n, 1))
    chosen, more = _minimise_regret(problem, whole, chosen, min(1 / 3, accuracy))
    guarantee = 1 - 3 * accuracy if accuracy <= 1 / 3 else 0.0
    return problem.result(SmallestEigenvalue(), chosen, exchanges + more, guarantee)


class _Problem:
    """The rows of positive weight, in main memory, and what is needed to judge a choice of n of them."""

    def __init__(self, features: Tensor, design: RelaxedDesign, ridge: float, labelled: Tensor | None) -> None:
        check_matrix(features, "features")
        weights = design.weights
        if weights.shape != (len(features),):
            raise ValueError(f"the design has {len(weights)} weights for {len(features)} rows of features")
        if bool((weights < 0).any()) or bool((weights > 1 + TIE).any()):
            raise ValueError("rounding to distinct rows needs weights in 0..1: relax with cap=1")
        mass = float(weights.sum())
        self.n = round(mass)
        if abs(mass - self.n) > 1e-6 * max(1.0, mass):
            raise ValueError(f"the weights must sum to a whole number of rows, got {mass:.9g}")
        self.design = design
        self.support = weights.nonzero()[:, 0]
        self.rows = features[self.support].double().cpu()
        self.weights = weights[self.support].cpu()
        self.prior = information_matrix(features, ridge, labelled).cpu()

    def information(self, chosen: Tensor) -> Tensor:
        """M of some of the rows, given as a mask."""
        rows = self.rows[chosen]
        return self.prior + rows.T @ rows

    def smallest_eigenvalue(self, chosen: Tensor) -> float:
        return float(torch.linalg.eigvalsh(self.information(chosen))[0])

    def dropping_guarantee(self) -> float:
        dimension = self.rows.shape[1]
        return (self.n - dimension + 1) / (len(self.rows) - dimension + 1) if self.n >= dimension else 0.0

    def result(self, criterion: DesignCriterion, chosen: Tensor, exchanges: int, guarantee: float) -> RoundedDesign:
        information = self.information(chosen)
        criterion.expand(information)
        objective, bound = criterion.objective(information), self.design.certificate.bound
        certificate = DesignCertificate(
            objective=objective,
            bound=bound,
            gap=criterion.sense * (bound - objective),
            efficiency=criterion.efficiency(objective, bound),
            iterations=exchanges,
        )
        return RoundedDesign(self.support[chosen.to(self.support.device)], certificate, guarantee)


class _Selection:
    """A choice among rows, with what each row inside would cost to drop and each row outside would bring.

    Kept for every row: the leverage h = x'M⁻¹x and, for traces, q = x'M⁻¹TM⁻¹x. Dropping costs −log(1 − h) of
    log det M, or q / (1 − h) of tr(M⁻¹T); taking brings log(1 + h), or q / (1 + h). A move of the row r turns M⁻¹ into
    M⁻¹ ∓ uu', h into h ∓ (x'u)² and q into q ∓ (x'u)(x'w) (Sherman–Morrison; upper sign: taken, lower: dropped).
    """

    def __init__(self, rows: Tensor, inside: Tensor, inverse: Tensor, forms: list[Tensor], moment: Tensor | None):
        self.rows = rows
        self.inside = inside
        self.inverse = inverse
        self.forms = forms  # h, and q for traces
        self.moment = moment
        self.moves: list[tuple[float, Tensor, Tensor]] = []  # sign, u, w

    def part(self, rows: Tensor) -> _Selection:
        """The same choice confined to some of the rows, whose moves `follow` then makes here."""
        forms = [form[rows] for form in self.forms]
        return _Selection(self.rows[rows], self.inside[rows], self.inverse.clone(), forms, self.moment)

    def move(self, row: int) -> None:
        """Drop the row if it is inside, take it if it is not."""
        sign = -1.0 if self.inside[row] else 1.0
        self.inside[row] = ~self.inside[row]
        u = self.inverse @ self.rows[row]
        u /= (1 + sign * (self.rows[row] @ u)).sqrt()
        w = u
        if len(self.forms) > 1:
            moved = u if self.moment is None else self.moment @ u
            w = 2 * (self.inverse @ moved) - sign * (u @ moved) * u
        self.follow([(sign, u, w)])

    def follow(self, moves: list[tuple[float, Tensor, Tensor]]) -> None:
        """Bring M⁻¹ and the forms of all rows up to date with moves."""
        signs = torch.tensor([sign for sign, _, _ in moves], dtype=torch.float64)
        u = torch.stack([u for _, u, _ in moves])
        overlap = self.rows @ u.T
        self.forms[0] -= overlap.square() @ signs
        if len(self.forms) > 1:
            self.forms[1] -= (overlap * (self.rows @ torch.stack([w for _, _, w in moves]).T)) @ signs
        self.inverse -= (u.T * signs) @ u
        self.moves += moves

    def costs(self) -> Tensor:
        """What dropping each row costs; infinite where it is not inside, or M would not stay positive definite."""
        left = 1 - self.forms[0]
        costs = -left.clamp(min=_LEAST).log() if len(self.forms) == 1 else self.forms[1] / left
        return costs.masked_fill_(~self.inside | (left <= _LEAST), torch.inf)

    def gains(self) -> Tensor:
        """What taking each row brings; −∞ where it is inside."""
        gains = self.forms[0].log1p() if len(self.forms) == 1 else self.forms[1] / (1 + self.forms[0])
        return gains.masked_fill_(self.inside, -torch.inf)


def _select(problem: _Problem, inside: Tensor, moment: Tensor | None, trace: bool, level: float) -> _Selection:
    """The selection `inside`, its forms computed from a fresh factor of M − level·I."""
    half = inverse_root(problem.information(inside) - level * torch.eye(len(problem.prior), dtype=torch.float64))
    inverse = half.T @ half
    forms = [mapped_norms(problem.rows, half)]
    if trace:
        root = inverse if moment is None else moment_root(moment) @ inverse
        forms.append(mapped_norms(problem.rows, root))
    return _Selection(problem.rows, inside, inverse, forms, moment)


def _drop_and_exchange(
    problem: _Problem, moment: Tensor | None, trace: bool, level: float = 0.0
) -> tuple[Tensor, int] | None:
    """Drop the cheapest row until n are left, then exchange the cheapest for the best while that helps.

    All of it with M − level·I in place of M. None if that cannot be kept positive definite, which it always can at
    level 0 with a regular M₀ or n ≥ d.
    """
    inside = torch.ones(len(problem.rows), dtype=torch.bool)
    selection = _select(problem, inside, moment, trace, level)
    surplus = len(inside) - problem.n
    while surplus:
        # As rows go, the others only cost more (nearly so for traces): the cheapest few settle several drops.
        reverse, floor, _ = contenders(-selection.costs().flip(0), _CONTENDERS)
        cheap = len(inside) - 1 - reverse.flip(0)  # of ties the highest
        part = selection.part(cheap)
        for _ in range(min(surplus, _BLOCK)):
            costs = part.costs()
            row = _cheapest(costs)
            if costs[row] == torch.inf or (part.moves and float(costs[row]) > -floor):
                break
            part.move(row)
        if not part.moves:
            return None
        selection.inside[cheap] = part.inside
        selection.follow(part.moves)
        surplus -= len(part.moves)
    selection = _select(problem, selection.inside, moment, trace, level)
    exchanges = 0
    while problem.n:
        costs = selection.costs()
        row = _cheapest(costs)
        cost = float(costs[row])
        if cost == torch.inf:
            break
        selection.move(row)
        gains = selection.gains()
        other = lowest_best(gains)
        if float(gains[other]) <= cost * (1 + TIE):
            selection.move(row)
            break
        selection.move(other)
        exchanges += 1
    return selection.inside, exchanges


def _cheapest(costs: Tensor) -> int:
    """The highest index whose cost ties with the least, so that of equal rows the lowest stays."""
    return len(costs) - 1 - lowest_best(-costs.flip(0))


def _at_level_zero(problem: _Problem, moment: Tensor | None, trace: bool) -> tuple[Tensor, int]:
    outcome = _drop_and_exchange(problem, moment, trace)
    if outcome is None:
        raise ValueError(f"{problem.n} rows and this ridge cannot keep M regular: use a larger ridge")
    return outcome


def _minimise_regret(problem: _Problem, whole: Tensor, chosen: Tensor, accuracy: float) -> tuple[Tensor, int]:
    """Exchange rows as `round_e_optimal` describes, and return the choice with the largest λ_min met."""
    n, dimension = problem.n, problem.rows.shape[1]
    metric = inverse_root(whole)
    rows = problem.rows @ metric.T
    prior = metric @ problem.prior @ metric.T
    alpha = sqrt(dimension) / accuracy
    best, largest = chosen, problem.smallest_eigenvalue(chosen)
    exchanges = 0
    while n:
        eigenvalues, vectors = torch.linalg.eigh(prior + rows[chosen].T @ rows[chosen])
        inverse = 1 / (eigenvalues - _level(eigenvalues, alpha))
        energy = (rows @ vectors).square_()
        slope = energy @ inverse.square() / alpha**2
        reach = 2 * (energy @ inverse)
        cost = (slope / (1 - reach)).masked_fill(~chosen | (reach >= 1), torch.inf)
        gain = (slope / (1 + reach)).masked_fill(chosen, -torch.inf)
        row, other = _cheapest(cost), lowest_best(gain)
        if not float(gain[other] - cost[row]) > 0.9 * accuracy / n:
            break
        chosen = chosen.clone()
        chosen[row], chosen[other] = False, True
        exchanges += 1
        reached = problem.smallest_eigenvalue(chosen)
        if reached > largest:
            best, largest = chosen, reached
    return best, exchanges


def _level(eigenvalues: Tensor, alpha: float) -> float:
    """The l below all eigenvalues at which Σ 1 / (λ − l)² = α², by bisection."""
    low = float(eigenvalues[0]) - sqrt(len(eigenvalues)) / alpha
    high = float(eigenvalues[0]) - 1 / alpha
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return low
        if float((eigenvalues - middle).square().reciprocal().sum()) < alpha**2:
            low = middle
        else:
            high = middle
