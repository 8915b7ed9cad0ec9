"""Paired differences: what one strategy gains over another at equal seeds.

Runs with the same seed share the split, the initial labels, the initial model and the data order, so their difference
is due to the strategy alone. Differences are taken seed by seed, with a t-interval over seeds; seeds that only one of
the two has are left out. The test is Student's two-sided t-test for matched pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelbench_plus.leaderboard.statistics.estimates import FEW_SEEDS, without_spread


def paired_differences(a: Mapping[int, float], b: Mapping[int, float]) -> NDArray[np.float64]:
    """Value of `a` minus value of `b` at every seed that both have, by increasing seed: (common seeds,)."""
    return np.array([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())], dtype=np.float64)


def paired_t_test(differences: ArrayLike) -> float:
    """Two-sided p-value of Student's t-test that the mean of paired differences is zero.

    `differences`: (n,) finite. t = mean · √n / s with n - 1 degrees of freedom. NaN, so that nothing is claimed, for
    n < `FEW_SEEDS` and where all differences are equal (but 1 where all are zero): the limit of p would be 0, a
    certainty that a handful of equal numbers cannot give. Source: Student (1908).
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 1:
        raise ValueError(f"differences must be a list of finite numbers, got {differences!r}")
    return float(paired_t_tests(d[:, None])[0])


def paired_t_tests(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """`paired_t_test` of each column: (n, m) differences to (m,) p-values."""
    if not np.isfinite(differences).all():
        raise ValueError(f"differences must be finite numbers, got {differences!r}")
    n, m = differences.shape
    if n < FEW_SEEDS:
        return np.full(m, math.nan)
    from scipy.special import stdtr

    mean, spread = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    t = mean * math.sqrt(n) / np.where(spread == 0, 1.0, spread)
    return np.where(without_spread(differences), math.nan, 2 * stdtr(n - 1, -np.abs(t)))
