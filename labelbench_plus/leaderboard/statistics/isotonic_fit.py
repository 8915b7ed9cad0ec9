"""Isotonic fit: the nearest curve, in least squares, that never falls as the budget grows.

A test metric fluctuates from round to round; a fit that averages out the dips gives one well-defined budget at which a
level is reached. The running maximum is not used: on a test metric it selects the luckiest round. Source: Barlow et
al., "Statistical Inference under Order Restrictions" (1972).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHUNK = 2_000_000
LONG = 64  # rounds: from here on one curve after the other is faster than all at once, which takes r² work a curve


def isotonic(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nondecreasing fit of each curve: (m, r) to (m, r), all points weighing alike.

    By the max-min formula fit(k) = max over i ≤ k of min over j ≥ k of the mean of points i … j, for many curves at
    once; by SciPy's solver for curves of more than `LONG` rounds. Memory: about `CHUNK` floats.
    """
    m, r = curves.shape
    fitted = np.empty((m, r))
    if r == 0:
        return fitted
    if r > LONG:
        from scipy.optimize import isotonic_regression

        for row, curve in zip(fitted, curves, strict=True):
            row[:] = isotonic_regression(curve).x
        return fitted
    lengths = np.arange(1, r + 1)[None, :] - np.arange(r)[:, None]  # of points i … j, at [i, j]
    step = max(1, CHUNK // (r * r))
    for start in range(0, m, step):
        part = curves[start : start + step]
        sums = np.concatenate([np.zeros((len(part), 1)), np.cumsum(part, axis=1)], axis=1)
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / np.maximum(lengths, 1)
        means[:, lengths < 1] = np.inf
        # At [i, k]: the least mean of i … j over j ≥ k; rows i > k must not take part in the maximum.
        least = np.minimum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]
        fitted[start : start + step] = np.where(lengths >= 1, least, -np.inf).max(axis=1)
    return fitted


def first_crossing(budgets: NDArray[np.float64], curves: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """The budget at which each of (m, r) `curves` first reaches `level`, linear between rounds; infinite if never.

    A curve that is there from its first budget b on gives b: it may have been there earlier.
    """
    return first_crossings(budgets, curves, np.array([level]))[0]


def first_crossings(
    budgets: NDArray[np.float64], curves: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`first_crossing` of each of (k,) levels: (k, m)."""
    tolerance = 1e-12 * np.maximum(1.0, np.abs(levels))  # the fit of a mean is equal to it only up to rounding
    there = curves >= (levels - tolerance)[:, None, None]
    at = there.argmax(axis=2)
    rows, before = np.arange(len(curves)), np.maximum(at - 1, 0)
    reached, start = curves[rows, at], curves[rows, before]
    rise = reached - start
    part = np.where(rise > 0, np.clip((levels[:, None] - start) / np.where(rise > 0, rise, 1.0), 0, 1), 1.0)
    crossed = budgets[before] + part * (budgets[at] - budgets[before])
    return np.where(there.any(axis=2), crossed, np.inf)
