"""Shares: how often something holds over (data set, seed), with an interval that cannot leave 0 to 1.

Over a single data set: the exact binomial interval (Clopper & Pearson, Biometrika 26, 1934). Over several, the mean of
their shares: hierarchical bootstrap from ten data sets on, else a t-interval over data sets, cut at 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import betaincinv

from labelbench_plus.leaderboard.statistics.aggregates import mean_over_datasets
from labelbench_plus.leaderboard.statistics.estimates import CONFIDENCE, Estimate


def share(values: Sequence[NDArray[np.float64]], rng: Generator) -> Estimate:
    """Mean over data sets of the share that holds; `n` counts data sets, or the values of a single one.

    `values`: for each data set its (n,) outcomes: 1 holds, 0 does not, 0.5 a tie. Ties count half; in the exact
    interval each end takes them as it makes the interval longer.
    """
    if len(values) == 1:
        return _binomial(values[0])
    e = mean_over_datasets(values, rng)
    return Estimate(e.mean, max(0.0, e.low), min(1.0, e.high), e.n) if e.n > 1 else e


def _binomial(outcomes: NDArray[np.float64]) -> Estimate:
    n, holds = len(outcomes), float(outcomes.sum())
    fewest, most, tail = math.floor(holds), math.ceil(holds), (1 - CONFIDENCE) / 2
    low = float(betaincinv(fewest, n - fewest + 1, tail)) if fewest > 0 else 0.0
    high = float(betaincinv(most + 1, n - most, 1 - tail)) if most < n else 1.0
    return Estimate(holds / n, low, high, n)


def outcomes(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where a difference is above zero, 0.5 where it is zero, else 0."""
    return (np.sign(differences) + 1) / 2
