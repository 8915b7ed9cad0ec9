"""Power: how many seeds would separate two strategies if their difference is what it looks like now.

The smallest number of seeds at which the paired two-sided t-test at 5 % finds the difference in 80 % of cases, taking
the observed mean and standard deviation of the differences as true (noncentral t distribution). The observed mean is
itself uncertain, so this is an order of magnitude. Source: Cohen, "Statistical Power Analysis for the Behavioral
Sciences" (1988), chapter 2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from labelbench_plus.leaderboard.statistics.estimates import ALPHA, FEW_SEEDS, without_spread

POWER = 0.8
MOST_SEEDS = 100_000


def power_of_paired_t_test(effect: float, n: int, alpha: float = ALPHA) -> float:
    """Chance that the two-sided paired t-test over `n` ≥ 2 pairs finds a mean of `effect` standard deviations."""
    from scipy.special import nctdtr, stdtrit

    critical, shift = float(stdtrit(n - 1, 1 - alpha / 2)), effect * math.sqrt(n)
    return float(1 - nctdtr(n - 1, shift, critical) + nctdtr(n - 1, shift, -critical))


def seeds_to_separate(differences: ArrayLike, power: float = POWER, alpha: float = ALPHA) -> float:
    """Seeds that would give the test this power; infinite where the mean is zero or `MOST_SEEDS` would not do.

    `differences`: (n,) paired differences, n ≥ 2; NaN below, and where they have no spread.
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2:
        return math.nan
    mean, spread = abs(float(d.mean())), float(d.std(ddof=1))
    if mean == 0:
        return math.inf
    if without_spread(d[:, None])[0]:
        return math.nan
    from scipy.special import ndtri

    effect = mean / spread
    normal = ((ndtri(1 - alpha / 2) + ndtri(power)) / effect) ** 2
    if normal > MOST_SEEDS:
        return math.inf
    n = max(FEW_SEEDS, math.floor(normal))  # the t-test needs at least as many as the normal approximation
    while power_of_paired_t_test(effect, n, alpha) < power:
        n += 1
    return float(n)
