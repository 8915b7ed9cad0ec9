"""t-interval: mean ± t(n − 1) · s / √n over n seeds, 95 %.

s is the standard deviation with n − 1 in the denominator. The interval is exact for normal values at any n from two on.
Percentile bootstrap intervals are not used for means: with three to five seeds, a nominal 95 % covers 75 to 84 %.
Values that are all equal give no interval: what never varied says nothing about how far it could.
Source: Student, "The probable error of a mean", Biometrika 6 (1908).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
ALPHA = 0.05
FEW_SEEDS = 3
"""Below this many nothing is claimed, and an interval says next to nothing (t = 12.7 standard errors at two)."""

ROUNDING = 1e-9
"""Values whose spread is this share of the largest are equal: differences of equal scores differ in their last bits."""


@dataclass(frozen=True)
class Estimate:
    """A mean with a two-sided interval: `mean`, `low`, `high`, from `n` independent values (seeds).

    `low` and `high` are NaN where an interval cannot be had (n < 2, or no spread), `mean` too where n = 0.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the length of the interval, NaN where there is none."""
        return (self.high - self.low) / 2

    def excludes_zero(self) -> bool:
        """Whether the interval exists, of `FEW_SEEDS` values or more, and lies wholly on one side of zero."""
        return self.n >= FEW_SEEDS and (self.low > 0 or self.high < 0)


def without_spread(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each column of (n, m) values, n ≥ 1, holds one number only, and that is not zero: (m,)."""
    largest = np.abs(values).max(axis=0)
    return np.asarray((largest > 0) & (np.ptp(values, axis=0) <= ROUNDING * largest))


def t_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """Mean of independent values with Student's t-interval: mean ± t(n - 1, (1 + confidence) / 2) · s / √n.

    `values`: (n,) finite floats. n = 1 gives the mean with NaN bounds, as does one number throughout unless it is zero,
    n = 0 NaN throughout. ValueError if not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"values must be a list of finite numbers, got {values!r}")
    return t_intervals(x[None], confidence)[0]


def t_intervals(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[Estimate, ...]:
    """`t_interval` of each row: of (m, n) values, m of them."""
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite numbers, got {values!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    x = np.ascontiguousarray(values, dtype=np.float64)  # so that a row sums up as it does alone
    m, n = x.shape
    if n == 0:
        return (Estimate(math.nan, math.nan, math.nan, 0),) * m
    means = x.mean(axis=1)
    if n < 2:
        return tuple(Estimate(mean, math.nan, math.nan, n) for mean in means.tolist())
    from scipy.special import stdtrit

    spread = x.std(axis=1, ddof=1, mean=means[:, None])
    halves = stdtrit(n - 1, (1 + confidence) / 2) * spread / math.sqrt(n)
    rows = zip(means.tolist(), halves.tolist(), without_spread(x.T).tolist(), strict=True)
    return tuple(
        Estimate(mean, math.nan, math.nan, n) if alike else Estimate(mean, mean - half, mean + half, n)
        for mean, half, alike in rows
    )
