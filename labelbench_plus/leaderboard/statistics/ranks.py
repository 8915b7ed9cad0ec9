"""Rank: the ranks that remain possible once every significant difference is respected, "1–3" rather than "2".

A is significantly better than B where the Holm-adjusted p is ≤ 0.05 and the mean difference favours A. The best rank of
A is 1 + the number of strategies significantly better than A, the worst is the number of strategies minus those
significantly worse. Overlapping ranges do not mean that two strategies are tied: each range reflects all other
strategies, and two that differ significantly can share most of their ranks. The table of pairs shows which ones differ.
Strategies whose best rank is 1 are the leading group, in which no pair differs. With probability ≥ 95 % no significant
difference is false, so all ranges hold at once. Source: the simultaneous rank intervals of Al Mohamad, Goeman & van
Zwet, "Simultaneous confidence intervals for ranks with application to ranking institutions", Biometrics 78 (2022),
with Holm's procedure in place of Tukey's.
"""

from __future__ import annotations

from dataclasses import dataclass

from labelbench_plus.leaderboard.statistics.estimates import ALPHA
from labelbench_plus.leaderboard.statistics.pairwise import PairwiseTests


@dataclass(frozen=True)
class RankRange:
    """The ranks that the tests leave open: from `best` to `worst`, of `of` strategies; 1 is first."""

    best: int
    worst: int
    of: int


def rank_ranges(tests: PairwiseTests, higher_is_better: bool, alpha: float = ALPHA) -> dict[str, RankRange]:
    """The ranks that remain possible for each strategy, by Holm-adjusted p ≤ `alpha`; see the module."""
    significant = tests.adjusted <= alpha  # False where NaN
    gain = tests.difference if higher_is_better else -tests.difference
    better = significant & (gain > 0)
    n = len(tests.names)
    return {
        name: RankRange(1 + int(better[:, i].sum()), n - int(better[i].sum()), n) for i, name in enumerate(tests.names)
    }
