"""Performance profile: for every gain τ, the share of (data set, seed) in which a strategy gains more than τ.

A profile that lies above another everywhere is better by any criterion; profiles that cross trade many small gains for
few large ones. Bands as for shares; not shown for fewer than twenty (data set, seed). Source: Dolan & Moré,
"Benchmarking optimization software with performance profiles", Math. Program. 91 (2002); Agarwal et al. (NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import Estimate
from labelbench_plus.leaderboard.statistics.shares import share


def performance_profile(
    gains: Sequence[NDArray[np.float64]], thresholds: NDArray[np.float64], rng: Generator
) -> tuple[Estimate, ...]:
    """Share of `gains` above each of `thresholds`; `gains`: for each data set (n,) values, n ≥ 1."""
    return tuple(share([(of_dataset > tau).astype(float) for of_dataset in gains], rng) for tau in thresholds)
