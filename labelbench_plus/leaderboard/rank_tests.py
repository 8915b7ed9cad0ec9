"""Friedman's and Wilcoxon's tests, to the bits of `scipy.stats`, which takes longer to load than a board to rank.

They stand outside `statistics`, as every module there is a section of the page of definitions.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MOST_EXACT, MOST_EXACT_TIED = 50, 13
"""Up to so many differences Wilcoxon's p-value is exact, and where some are tied or zero: as SciPy decides."""


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each number in its row, from 1; equal ones share their mean. (m, n) to (m, n), n² at a time."""
    ranks = np.empty(values.shape)
    for row, of_row in zip(values, ranks, strict=True):
        below, equal = (row < row[:, None]).sum(axis=1), (row == row[:, None]).sum(axis=1)
        of_row[:] = below + (equal + 1) / 2
    return ranks


def friedman(values: NDArray[np.float64]) -> float:
    """p-value that (n, k) values, k ≥ 3, come in no order within their rows; some row must hold two numbers."""
    from scipy.special import chdtrc

    n, k = values.shape
    ranks = average_ranks(values)
    # Each of t tied numbers adds t² - 1: together t³ - t.
    ties = sum(((row == row[:, None]).sum(axis=1) ** 2 - 1).sum() for row in values)
    shrunk = 1 - ties / (k * (k * k - 1) * n)
    squares = (ranks.sum(axis=0) ** 2).sum()
    return float(chdtrc(k - 1, (12.0 / (k * n * (k + 1)) * squares - 3 * n * (k + 1)) / shrunk))


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of the signed-rank test of (n,) differences, some of which must not be zero."""
    n, others = len(differences), differences[differences != 0]
    sizes = np.abs(others)
    ranks = average_ranks(sizes[None])[0]
    above = float(ranks[others > 0].sum())
    tied = len(others) < n or len(np.unique(sizes)) < n
    if n > (MOST_EXACT_TIED if tied else MOST_EXACT):
        return _approximate(ranks, above)
    counts = _sums(tuple(sorted((2 * ranks).astype(int).tolist())))
    at = int(2 * above)
    return float(min(1.0, 2 * min(counts[: at + 1].sum(), counts[at:].sum()) / 2 ** len(others)))


@lru_cache(maxsize=64)
def _sums(ranks: tuple[int, ...]) -> NDArray[np.int64]:
    """How many of the 2ⁿ choices of signs give each sum of the ranks that count as positive."""
    counts = np.zeros(sum(ranks) + 1, dtype=np.int64)
    counts[0] = 1
    for rank in ranks:
        counts[rank:] += counts[:-rank].copy()
    return counts


def _approximate(ranks: NDArray[np.float64], above: float) -> float:
    """By the normal distribution, its variance less what ties take."""
    from scipy.special import ndtr

    n = float(len(ranks))
    _, together = np.unique(ranks, return_counts=True)
    variance = (n * (n + 1.0) * (2.0 * n + 1.0) - float((together**3 - together).sum()) / 2) / 24
    return float(2 * ndtr(-abs((above - n * (n + 1.0) * 0.25) / math.sqrt(variance))))
