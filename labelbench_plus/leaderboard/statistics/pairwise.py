"""Which strategies differ: paired t-tests of AUBC over common seeds, for every pair of strategies in a setting.

p-values are adjusted by Holm's method over all pairs of the setting. Each pair is judged on its own data, so the other
strategies matter only through the number of pairs; tests on mean ranks lack this property (Benavoli, Corani & Mangili,
"Should We Really Use Post-Hoc Tests Based on Mean-Ranks?", JMLR 17, 2016). Whether a strategy is better than the
baseline is a separate question, many against one: its family of tests is the comparisons with the baseline alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.multiplicity import holm
from labelbench_plus.leaderboard.statistics.paired import paired_differences, paired_t_test


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


def many_against_one(tests: PairwiseTests, one: str) -> dict[str, float]:
    """p-values of all others against `one`, Holm-adjusted over these comparisons alone; none without `one`."""
    if one not in tests.names:
        return {}
    others = [i for i, name in enumerate(tests.names) if name != one]
    adjusted = holm(tests.p[others, tests.names.index(one)])
    return {tests.names[i]: float(p) for i, p in zip(others, adjusted, strict=True)}


def pairwise_tests(values: Mapping[str, Mapping[int, float]]) -> PairwiseTests:
    """Paired t-tests over common seeds between every two strategies, Holm-adjusted over all pairs.

    `values`: strategy -> seed -> one number per run (say, its area under the budget curve).
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
