"""Resampled intervals: percentiles of a statistic over 1,000 samples drawn from the available seeds (or data sets).

With several data sets the bootstrap is hierarchical: data sets are drawn with replacement, then seeds within each.
Plain percentiles are too narrow for few units, so the levels are expanded as if for a t-interval: the lower one is
Φ(−√(n / (n − 1)) · t(n − 1)) (Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician
69, 2015). Below ten units even that can be too narrow, and no resampled interval is given. Draws use a fixed seed, so
the same data give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import CONFIDENCE

DRAWS = 1000
FEWEST_UNITS = 10


def expanded_levels(n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The percentile levels (in [0, 1]) whose width over `n` units is that of a t-interval. ValueError for n < 2."""
    from scipy.special import ndtr, stdtrit

    if n < 2:
        raise ValueError(f"percentiles over {n} unit(s) say nothing; at least 2")
    low = float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + confidence) / 2)))
    return low, 1 - low


def resampled_seeds(n: int, rng: Generator, draws: int = DRAWS) -> NDArray[np.int64]:
    """(draws, n) indices below `n`, each row a sample of seeds with replacement."""
    return rng.integers(0, n, size=(draws, n))


def hierarchical_samples(
    values: Sequence[NDArray[np.float64]], rng: Generator, draws: int = DRAWS
) -> NDArray[np.float64]:
    """(draws, data sets, m) values: data sets with replacement, then m values within each with replacement.

    `values`: for each data set its (n,) values. m is the smallest n: with unequal n the larger sets are drawn
    short, which widens the interval rather than narrowing it.
    """
    m = min(len(of_dataset) for of_dataset in values)
    longest = max(len(of_dataset) for of_dataset in values)
    table = np.zeros((len(values), longest))
    for row, of_dataset in zip(table, values, strict=True):
        row[: len(of_dataset)] = of_dataset
    counts = np.array([len(of_dataset) for of_dataset in values])
    datasets = (
        rng.integers(0, len(values), size=(draws, len(values), 1))
        if len(values) > 1
        else np.zeros((draws, 1, 1), dtype=np.int64)
    )
    seeds = np.floor(rng.random((draws, len(values), m)) * counts[datasets]).astype(np.int64)
    return table[datasets, seeds]
