"""Pairwise penalty matrix: how often one strategy beats another significantly, budget by budget.

In each setting, the budgets of rounds 1, 2, 4, 8 … after the first are tested until the baseline's mean reaches 99 % of
its final value (for an error: comes within the same ratio). At each of them a two-sided paired t-test over common seeds
is run at 5 %, and the winner scores one divided by the number of budgets, so a setting contributes at most one. Row
beats column; the mean of a column is the penalty of that strategy: lower is better. Tests can be Holm-adjusted over all
pairs of a budget; the published definition does not adjust. Source: Ash et al., "Deep Batch Active Learning by Diverse,
Uncertain Gradient Lower Bounds" (ICLR 2020), section 4; pairs here are by seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import ALPHA
from labelbench_plus.leaderboard.statistics.multiplicity import holm
from labelbench_plus.leaderboard.statistics.paired import paired_t_tests
from labelbench_plus.leaderboard.statistics.savings import target_level

NEARLY_FINAL = 0.99


@dataclass(frozen=True)
class PenaltyMatrix:
    """`wins[i, j]`: settings (a fraction for each) in which `names[i]` beats `names[j]`, of `n_settings`."""

    names: tuple[str, ...]
    wins: NDArray[np.float64]
    n_settings: int

    @property
    def penalties(self) -> NDArray[np.float64]:
        """For each strategy how often it is beaten, as a share of settings and of opponents: (n,) in 0 … 1."""
        others = max(1, len(self.names) - 1)
        return np.asarray(self.wins.sum(axis=0) / (others * max(1, self.n_settings)))


def rounds_to_test(mean_of_baseline: NDArray[np.float64], higher_is_better: bool) -> tuple[int, ...]:
    """Rounds 1, 2, 4, … of (r,) means up to the first at which the baseline is nearly done, that one included."""
    r = len(mean_of_baseline)
    goal = target_level(float(mean_of_baseline[-1]), NEARLY_FINAL, higher_is_better)
    rounds: list[int] = []
    k = 1
    while k < r:
        rounds.append(k)
        reached = mean_of_baseline[k] >= goal if higher_is_better else mean_of_baseline[k] <= goal
        if reached:
            break
        k *= 2
    return tuple(rounds) or (0,)


@dataclass(frozen=True)
class BudgetTests:
    """Paired t-tests between every two strategies of a setting, budget by budget.

    `p`, `gain`: p-values and mean gains of the first of a pair over the second, above zero is better; (pairs, budgets)
    for the pairs of `names` in order, NaN and zero where there is no common seed.
    """

    names: tuple[str, ...]
    p: NDArray[np.float64]
    gain: NDArray[np.float64]


def budget_tests(
    curves: Mapping[str, Mapping[int, NDArray[np.float64]]], rounds: Sequence[int], higher_is_better: bool
) -> BudgetTests:
    """The tests of one setting; `curves`: strategy -> seed -> (r,) values; `rounds`: those to test."""
    names, sign, r = tuple(curves), 1 if higher_is_better else -1, len(rounds)
    seeds = [sorted(curves[name]) for name in names]
    tested = [
        sign * np.array([curves[name][seed][list(rounds)] for seed in of_name]).reshape(-1, r)
        for name, of_name in zip(names, seeds, strict=True)
    ]
    pairs = list(combinations(range(len(names)), 2))
    p, gain = np.full((len(pairs), r), np.nan), np.zeros((len(pairs), r))
    for row, (i, j) in enumerate(pairs):
        a, b = tested[i], tested[j]
        if seeds[i] != seeds[j]:
            common = sorted(set(seeds[i]) & set(seeds[j]))
            a, b = a[np.searchsorted(seeds[i], common)], b[np.searchsorted(seeds[j], common)]
        if len(a):
            p[row], gain[row] = paired_t_tests(a - b), (a - b).mean(axis=0)
    return BudgetTests(names, p, gain)


def penalty_matrix(tests: BudgetTests, adjusted: bool = False) -> PenaltyMatrix:
    """The matrix of one setting. Pairs that cannot be tested (`paired_t_test`) win nothing against each other."""
    p, n = tests.p, len(tests.names)
    if adjusted and len(p):
        p = np.stack([holm(column) for column in p.T], axis=1)
    wins, better, above = np.zeros((n, n)), p <= ALPHA, np.triu_indices(n, 1)
    wins[above] = (better & (tests.gain > 0)).mean(axis=1)
    wins.T[above] = (better & (tests.gain < 0)).mean(axis=1)
    return PenaltyMatrix(tests.names, wins, 1)


def total_penalty(matrices: Sequence[PenaltyMatrix]) -> PenaltyMatrix:
    """The sum over settings, of the strategies that all of them have, in the order of the first."""
    names = tuple(name for name in matrices[0].names if all(name in other.names for other in matrices))
    wins = sum(m.wins[np.ix_(*[[m.names.index(name) for name in names]] * 2)] for m in matrices)
    return PenaltyMatrix(names, np.asarray(wins), len(matrices))
