"""Shares: how often something holds over (data set, seed), with an interval that stays within 0 and 1.

Over a single data set: the exact binomial interval (Clopper & Pearson, Biometrika 26, 1934). Over several, the mean of
their shares: the hierarchical bootstrap from ten data sets on, otherwise a t-interval over data sets, cut at 0 and 1,
and in any case no shorter than the exact interval of as many independent outcomes: where all data sets agree,
resampling them would suggest false certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.aggregates import mean_over_datasets
from labelbench_plus.leaderboard.statistics.estimates import CONFIDENCE, Estimate


def share(values: Sequence[NDArray[np.float64]], rng: Generator) -> Estimate:
    """Mean over data sets of the share that holds; `n` counts data sets, or the values of a single one.

    `values`: for each data set its (n,) outcomes: 1 holds, 0 does not, 0.5 a tie. Ties count half; in the exact
    interval each end takes them as it makes the interval longer.
    """
    if len(values) == 1:
        low, high = _exact(float(values[0].mean()), len(values[0]))
        return Estimate(float(values[0].mean()), low, high, len(values[0]))
    e = mean_over_datasets(values, rng)
    low, high = _exact(e.mean, sum(map(len, values)))
    return Estimate(e.mean, max(0.0, min(low, e.low)), min(1.0, max(high, e.high)), e.n)


def outcomes(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where a difference is above zero, 0.5 where it is zero, else 0."""
    return (np.sign(differences) + 1) / 2


def _exact(share: float, n: int) -> tuple[float, float]:
    from scipy.special import betaincinv

    holds, tail = round(share * n, 9), (1 - CONFIDENCE) / 2  # what is not whole (ties) is taken as it lengthens
    fewest, most = math.floor(holds), math.ceil(holds)
    low = float(betaincinv(fewest, n - fewest + 1, tail)) if fewest > 0 else 0.0
    high = float(betaincinv(most + 1, n - most, 1 - tail)) if most < n else 1.0
    return low, high
