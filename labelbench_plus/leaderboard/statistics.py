"""What a leaderboard may claim: areas under budget curves, intervals over seeds, tests, tied groups.

Every number on a board is defined in this module. Arrays are NumPy, values are float64, and nothing here
knows of runs, pages or tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Estimate:
    """A mean with a two-sided interval: `mean`, `low`, `high`, from `n` independent values (seeds).

    `low` and `high` are NaN where an interval cannot be had (n < 2), `mean` too where n = 0.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the length of the interval, NaN where there is none."""
        return (self.high - self.low) / 2

    def excludes_zero(self) -> bool:
        """Whether the interval exists and lies wholly on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class RankRange:
    """The ranks that the tests leave open: from `best` to `worst`, of `of` strategies; 1 is first."""

    best: int
    worst: int
    of: int

    @property
    def tied(self) -> bool:
        """Whether the tests leave more than one rank open."""
        return self.best != self.worst


@dataclass(frozen=True)
class PairwiseTests:
    """All two-sided paired t-tests among named strategies.

    For rows i and columns j in the order of `names`, each an (n, n) array:
    `difference[i, j]`: mean over common seeds of value i minus value j (NaN without a common seed);
    `p`: raw p-values; `adjusted`: Holm-adjusted over all n (n - 1) / 2 pairs; both NaN on the diagonal;
    `pairs[i, j]`: number of common seeds.
    """

    names: tuple[str, ...]
    difference: NDArray[np.float64]
    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    pairs: NDArray[np.int64]

    def in_order(self, names: Sequence[str]) -> PairwiseTests:
        """The same tests with strategies in another order."""
        at = np.ix_(*[[self.names.index(name) for name in names]] * 2)
        return PairwiseTests(tuple(names), self.difference[at], self.p[at], self.adjusted[at], self.pairs[at])


def area_under_budget_curve(budgets: ArrayLike, values: ArrayLike) -> float:
    """Mean height of a learning curve over its budgets: the trapezoid area divided by the range of budgets.

    `budgets`: (r,) finite, strictly increasing, in the unit of the budget (labels or money). `values`: (r,)
    finite metric values at those budgets. The result is in the unit of the metric, and equal to c for a curve
    that is constantly c; a single budget (one-shot selection) gives the value there, the limit of a shrinking
    range. ValueError on other shapes, non-finite numbers or budgets that do not increase.

    Source: AUBC of Zhan et al., "A Comparative Survey: Benchmarking for Pool-based Active Learning"
    (IJCAI 2021), with the area divided by the range so that problems share one scale.
    """
    x, y = _curve(budgets, values)
    if len(x) == 1:
        return float(y[0])
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def area_under_log_budget_curve(budgets: ArrayLike, values: ArrayLike) -> float:
    """The same mean height with budgets on a logarithmic axis, so that each doubling counts alike.

    As `area_under_budget_curve` with log(budgets) for budgets (the base cancels). ValueError also where a
    budget is not above zero.
    """
    x, y = _curve(budgets, values)
    if x[0] <= 0:
        raise ValueError(f"budgets on a log axis must be above zero, got {x[0]:g} as the first")
    return area_under_budget_curve(np.log(x), y)


def t_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of independent values with Student's t-interval: mean ± t(n - 1, (1 + confidence) / 2) · s / √n.

    `values`: (n,) finite floats; s is the standard deviation with n - 1 in the denominator. Exact for normal
    values at every n ≥ 2, where percentile bootstrap intervals are too short (75 % coverage at n = 3 for a
    nominal 95 %). n = 1 gives the mean with NaN bounds, n = 0 NaN throughout. ValueError if not finite.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"values must be a list of finite numbers, got {values!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    n = len(x)
    mean = float(x.mean()) if n else math.nan
    if n < 2:
        return Estimate(mean, math.nan, math.nan, n)
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * x.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n)


def paired_differences(a: Mapping[int, float], b: Mapping[int, float]) -> NDArray[np.float64]:
    """Value of `a` minus value of `b` at every seed that both have, by increasing seed: (common seeds,).

    Runs with the same seed share split, initial set and model initialisation, so that the difference is free
    of what those contribute; seeds that only one of them has say nothing about it and are left out.
    """
    return np.array([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())], dtype=np.float64)


def paired_t_test(differences: ArrayLike) -> float:
    """Two-sided p-value of Student's t-test that the mean of paired differences is zero.

    `differences`: (n,) finite. t = mean · √n / s with n - 1 degrees of freedom. NaN for n < 2. Without any
    spread the limit is returned: 1 where all differences are zero, else 0.

    Source: Student (1908); the test for matched pairs.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1 or not np.isfinite(d).all():
        raise ValueError(f"differences must be a list of finite numbers, got {differences!r}")
    n = len(d)
    if n < 2:
        return math.nan
    spread = float(d.std(ddof=1))
    if spread == 0:
        return 1.0 if d[0] == 0 else 0.0
    t = float(d.mean()) * math.sqrt(n) / spread
    return float(2 * stdtr(n - 1, -abs(t)))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values, in the order given; rejecting those ≤ α keeps the family error ≤ α.

    `p_values`: (m,) in [0, 1] or NaN. With p(1) ≤ … ≤ p(m): adjusted(i) = max over j ≤ i of
    min(1, (m - j + 1) · p(j)). A NaN (a test that could not be made) stays NaN but counts in m: it was asked,
    and cannot be rejected. Valid under any dependence. ValueError outside [0, 1].

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6 (1979).
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    if p.ndim != 1 or (p[known] < 0).any() or (p[known] > 1).any():
        raise ValueError(f"p-values must be a list of numbers in [0, 1], got {p_values!r}")
    order = np.argsort(np.where(known, p, np.inf), kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    return adjusted


def pairwise_tests(values: Mapping[str, Mapping[int, float]]) -> PairwiseTests:
    """Paired t-tests over common seeds between every two strategies, Holm-adjusted over all pairs.

    `values`: strategy -> seed -> one number per run (say, its area under the budget curve). Each pair is
    judged on its own data, so that the others on the board matter only through Holm's factor; post-hoc tests
    on mean ranks lack this property (Benavoli, Corani & Mangili, "Should We Really Use Post-Hoc Tests Based
    on Mean-Ranks?", JMLR 17, 2016).
    """
    names = tuple(values)
    n = len(names)
    difference, p, adjusted = (np.full((n, n), np.nan) for _ in range(3))
    pairs = np.zeros((n, n), dtype=np.int64)
    above = np.triu_indices(n, 1)
    for i, j in combinations(range(n), 2):
        d = paired_differences(values[names[i]], values[names[j]])
        pairs[i, j] = pairs[j, i] = len(d)
        p[i, j] = p[j, i] = paired_t_test(d)
        if len(d):
            difference[i, j] = d.mean()
            difference[j, i] = -difference[i, j]
    adjusted[above] = holm(p[above])
    adjusted.T[above] = adjusted[above]
    np.fill_diagonal(pairs, [len(by_seed) for by_seed in values.values()])
    np.fill_diagonal(difference, 0.0)
    return PairwiseTests(names, difference, p, adjusted, pairs)


def rank_ranges(tests: PairwiseTests, higher_is_better: bool, alpha: float = ALPHA) -> dict[str, RankRange]:
    """The ranks that remain possible for each strategy once every significant difference is respected.

    A is significantly better than B where the Holm-adjusted p ≤ `alpha` and the mean difference favours A.
    Then best(A) = 1 + number of strategies significantly better than A, and worst(A) = n − number of those
    significantly worse. Strategies whose ranges overlap are tied as far as these data can tell. With
    probability ≥ 1 − alpha no significant difference is false, so that all ranges hold at once.

    Source: the simultaneous rank intervals of Al Mohamad, Goeman & van Zwet, "Simultaneous confidence
    intervals for ranks with application to ranking institutions", Biometrics 78 (2022), with Holm's procedure
    in place of Tukey's.
    """
    significant = tests.adjusted <= alpha  # False where NaN
    gain = tests.difference if higher_is_better else -tests.difference
    better = significant & (gain > 0)
    n = len(tests.names)
    return {
        name: RankRange(1 + int(better[:, i].sum()), n - int(better[i].sum()), n) for i, name in enumerate(tests.names)
    }


def _curve(budgets: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(budgets, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise ValueError(f"budgets and values must be lists of one length ≥ 1, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("budgets and values must be finite")
    if not (np.diff(x) > 0).all():
        raise ValueError(f"budgets must increase strictly, got {_listed(x)}")
    return x, y


def _listed(values: Sequence[float] | NDArray[np.float64], most: int = 12) -> str:
    shown = ", ".join(f"{v:g}" for v in values[:most])
    return shown + (", …" if len(values) > most else "")
