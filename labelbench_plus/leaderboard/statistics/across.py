"""Ranking over data sets: Friedman's test, then Wilcoxon's signed-rank test for every pair, Holm-adjusted.

The unit is the data set: its settings and seeds are averaged first, since settings on one data set are not independent
evidence. Friedman's test asks whether mean ranks differ at all; each pair is then compared by Wilcoxon's test on its
own values. Groups are runs of strategies, in order of mean rank, in which no pair differs significantly. Nothing is
shown for fewer than six data sets: with five, the smallest possible two-sided p is 0.063. Sources: Demšar, "Statistical
Comparisons of Classifiers over Multiple Data Sets", JMLR 7 (2006); Benavoli, Corani & Mangili, JMLR 17 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.rank_tests import average_ranks, friedman, wilcoxon
from labelbench_plus.leaderboard.statistics.estimates import ALPHA
from labelbench_plus.leaderboard.statistics.multiplicity import holm

FEWEST_DATASETS = 6


@dataclass(frozen=True)
class RankingOverDatasets:
    """Strategies in order of mean rank (1 is best), and what the tests say of them.

    `friedman`: p-value, NaN for two strategies. `p`, `adjusted`: (n, n) p-values of Wilcoxon's test, raw and after
    Holm, NaN on the diagonal. `groups`: each a slice [first, last] of `names` without a significant pair, maximal.
    """

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_datasets: int
    friedman: float
    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    groups: tuple[tuple[int, int], ...]


def ranking_over_datasets(names: list[str], values: NDArray[np.float64], higher_is_better: bool) -> RankingOverDatasets:
    """Test (data sets, strategies) `values`, one number each, against each other.

    ValueError for fewer than `FEWEST_DATASETS` rows, fewer than two columns or values that are not finite.
    """
    if values.ndim != 2 or values.shape[1] != len(names) or len(names) < 2 or not np.isfinite(values).all():
        raise ValueError(f"values must be finite, (data sets, {len(names)} strategies), at least two; {values.shape}")
    if len(values) < FEWEST_DATASETS:
        raise ValueError(f"{len(values)} data sets are too few for a ranking test; at least {FEWEST_DATASETS}")
    mean_ranks = average_ranks(-values if higher_is_better else values).mean(axis=0)
    order = sorted(range(len(names)), key=lambda i: (mean_ranks[i], names[i]))
    ordered, n = values[:, order], len(names)
    p, adjusted = np.full((n, n), np.nan), np.full((n, n), np.nan)
    for i, j in combinations(range(n), 2):
        p[i, j] = p[j, i] = _wilcoxon(ordered[:, i] - ordered[:, j])
    above = np.triu_indices(n, 1)
    adjusted[above] = holm(p[above])
    adjusted.T[above] = adjusted[above]
    return RankingOverDatasets(
        tuple(names[i] for i in order),
        tuple(float(mean_ranks[i]) for i in order),
        len(values),
        _friedman(ordered),
        p,
        adjusted,
        _groups(adjusted <= ALPHA),
    )


def _friedman(values: NDArray[np.float64]) -> float:
    if values.shape[1] < 3:
        return float("nan")
    # Without any difference within a row the statistic is 0 / 0: nothing speaks against equality.
    return friedman(values) if np.ptp(values, axis=1).any() else 1.0


def _wilcoxon(differences: NDArray[np.float64]) -> float:
    return wilcoxon(differences) if differences.any() else 1.0


def _groups(significant: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    groups: list[tuple[int, int]] = []
    n = len(significant)
    for first in range(n):
        last = first
        while last + 1 < n and not significant[first : last + 1, last + 1].any():
            last += 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return tuple(groups)
