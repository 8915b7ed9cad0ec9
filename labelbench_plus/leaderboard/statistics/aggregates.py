"""Over data sets: each data set counts once, whatever its number of settings and seeds.

Settings of one data set are averaged first, seed by seed. The mean is the mean over data sets of their means over
seeds. The interquartile mean (IQM) is the mean of the middle half of all (data set, seed) values: a single odd run
sways it less than the mean; with fewer than twenty values it means little and is not shown. Intervals of means: for a
single data set, the t-interval over its seeds, as on the page of its setting; for several, a t-interval over the data
sets, and from ten data sets on the hierarchical bootstrap. Intervals of the IQM: the bootstrap from ten data sets on
(or ten seeds of a single one); below that, a t-interval with Yuen's variance of a trimmed mean. Sources: Agarwal et
al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021); Yuen, "The two-sample
trimmed t for unequal population variances", Biometrika 61 (1974).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import CONFIDENCE, Estimate, t_interval, without_spread
from labelbench_plus.leaderboard.statistics.resampling import FEWEST_UNITS, expanded_levels, hierarchical_samples

TRIM = 0.25
FEWEST_VALUES = 20


def units_of(values: Sequence[NDArray[np.float64]]) -> int:
    """How many independent units an interval over these rests on: data sets, or the seeds of a single one."""
    return len(values) if len(values) > 1 else len(values[0])


def mean_over_datasets(values: Sequence[NDArray[np.float64]], rng: Generator) -> Estimate:
    """Mean over data sets of their means; `n` counts `units_of`.

    `values`: for each data set its (n,) values over seeds, at least one each.
    """
    means = np.array([of_dataset.mean() for of_dataset in values])
    if len(values) >= FEWEST_UNITS:
        return _resampled(float(means.mean()), hierarchical_samples(values, rng).mean(axis=(1, 2)), units_of(values))
    return t_interval(means) if len(values) > 1 else t_interval(values[0])


def interquartile_mean(values: Sequence[NDArray[np.float64]], rng: Generator) -> Estimate:
    """IQM of all values; NaN throughout where there are fewer than `FEWEST_VALUES`; `n` counts `units_of`.

    `values`: for each data set its (n,) values over seeds, at least one each.
    """
    pooled, n = np.concatenate(list(values)), units_of(values)
    if len(pooled) < FEWEST_VALUES:
        return Estimate(math.nan, math.nan, math.nan, n)
    if n >= FEWEST_UNITS:
        samples = hierarchical_samples(values, rng).reshape(-1, len(values) * min(map(len, values)))
        return _resampled(float(_trimmed_mean(pooled)), _trimmed_mean(samples), n)
    units = np.array([of_dataset.mean() for of_dataset in values]) if len(values) > 1 else values[0]
    half = trimmed_half_width(units)
    centre = float(_trimmed_mean(pooled))
    return Estimate(centre, centre - half, centre + half, n)


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis without `TRIM` of its values on each side: (…, n) to (…), as `scipy.stats.trim_mean`,
    which takes longer to load than this to compute."""
    n = values.shape[-1]
    cut = int(TRIM * n)
    kept = np.partition(values, (cut, n - cut - 1), axis=-1)[..., cut : n - cut]
    return np.asarray(kept.mean(axis=-1))


def trimmed_half_width(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> float:
    """Half of Yuen's t-interval of the mean trimmed by `TRIM` on each side, of (n,) values; NaN for n < 2
    and where what is left has no spread.

    s_w / ((1 − 2·TRIM) √n) · t(h − 1), with s_w the winsorised standard deviation and h the values kept. Where n is
    too small for a value to be trimmed this is the plain t-interval.
    """
    n = len(values)
    cut = int(TRIM * n)
    kept = n - 2 * cut
    if kept < 2:
        return math.nan
    from scipy.special import stdtrit

    ordered = np.sort(values)
    winsorised = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    if without_spread(winsorised[:, None])[0]:
        return math.nan
    # (n - 1) s_w² / (h (h - 1)) is the squared standard error; with cut = 0 it is s² / n.
    error = math.sqrt((n - 1) * float(winsorised.var(ddof=1)) / (kept * (kept - 1)))
    return float(stdtrit(kept - 1, (1 + confidence) / 2)) * error


def _resampled(centre: float, samples: NDArray[np.float64], n: int) -> Estimate:
    if without_spread(samples[:, None])[0]:
        return Estimate(centre, math.nan, math.nan, n)
    low, high = np.quantile(samples, expanded_levels(n))
    return Estimate(centre, float(low), float(high), n)
