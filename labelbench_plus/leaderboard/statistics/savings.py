"""Label saving: the share of the baseline's budget that a strategy does not need to reach the same level.

The baseline alone sets the level: its mean final value, and 99, 95 and 90 % of it (for an error: divided by 0.99 and so
on). n is the budget at which the isotonic fit of the mean curve over common seeds first reaches the level, linear
between rounds; the saving is 1 − n(strategy) / n(baseline). A level that is not reached gives "> B": censored at the
whole budget B, never dropped. No saving is defined where the baseline starts at the level. Where both reach the level
at every seed, the interval is a t-interval of log(n / n) over seeds, transformed back. It is centred on the typical
seed, which need not match the mean curve, and is extended to the saving of the mean curve where it would exclude it.
Otherwise, from ten seeds on, seeds are resampled in pairs, and a resample that does not reach the level counts as
whatever makes the interval longer. The same saving on the raw mean curve is shown to tell how much depends on the fit:
on LabelBench's published curves the two differ by three points in the median and by up to thirty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import t_interval
from labelbench_plus.leaderboard.statistics.isotonic_fit import first_crossing, isotonic
from labelbench_plus.leaderboard.statistics.resampling import (
    DRAWS,
    FEWEST_UNITS,
    expanded_levels,
    resampled_seeds,
)

SHARES = (1.0, 0.99, 0.95, 0.9)
LEVELS_OF_A_CURVE = 25


@dataclass(frozen=True)
class Saving:
    """What a strategy saves against the baseline at one level.

    `level`: of the metric. `needed`, `needed_by_baseline`: budgets, infinite where the level is not reached within
    `budget`. `raw`: the saving without isotonic fit, NaN where censored. `low`, `high`: interval of the saving, `low`
    -inf where the data leave it open, both NaN without an interval; `interval` says of which kind. `seeds`: how many
    are common; `reached`: at how many of them the strategy reaches the level.
    """

    level: float
    needed: float
    needed_by_baseline: float
    budget: float
    raw: float
    low: float
    high: float
    interval: Literal["t", "resampled", "none"]
    seeds: int
    reached: int

    @property
    def censored(self) -> bool:
        """Whether the strategy does not reach the level."""
        return math.isinf(self.needed)

    @property
    def value(self) -> float:
        """The saving, at most 1; where censored the bound below which it lies."""
        return 1 - min(self.needed, self.budget) / self.needed_by_baseline


@dataclass(frozen=True)
class SavingPoint:
    """One level of a saving curve; NaN where undefined, `low` and `high` also where a seed does not reach it."""

    level: float
    value: float
    low: float
    high: float


def target_level(final: float, share: float, higher_is_better: bool) -> float:
    """The level that is `share` of a final value; for an error, which falls, the final value over `share`.

    NaN where `final` is not above zero (and `share` below 1): a share of it would mean nothing.
    """
    if share == 1:
        return final
    if final <= 0:
        return math.nan
    return final * share if higher_is_better else final / share


def label_saving(
    budgets: Sequence[float],
    strategy: NDArray[np.float64],
    baseline: NDArray[np.float64],
    level: float,
    higher_is_better: bool,
    rng: Generator,
) -> Saving | None:
    """The saving of `strategy` against `baseline` at `level`; None where it is not defined.

    `strategy`, `baseline`: (n, r) curves over the (r,) `budgets`, row by row at the same seed, n ≥ 1, r ≥ 2. Undefined:
    the level is NaN, or the baseline starts at it or does not reach it.
    """
    x, s, b, goal = _oriented(budgets, strategy, baseline, level, higher_is_better)
    if math.isnan(goal):
        return None
    needed, by_baseline = (_crossing_of_mean(x, curves, goal) for curves in (s, b))
    if math.isinf(by_baseline) or by_baseline <= x[0]:
        return None
    raw = first_crossing(x, np.stack([s.mean(axis=0), b.mean(axis=0)]), goal)
    per_seed = first_crossing(x, isotonic(s), goal)
    per_seed_baseline = first_crossing(x, isotonic(b), goal)
    low, high, kind = math.nan, math.nan, "none"
    n = len(s)
    if n > 1 and np.isfinite(per_seed).all() and np.isfinite(per_seed_baseline).all():
        low, high = _of_ratios(per_seed / per_seed_baseline, 1 - needed / by_baseline)
        kind = "none" if math.isnan(low) else "t"
    elif n >= FEWEST_UNITS:
        low, high = _resampled(x, s, b, goal, rng)
        kind = "resampled"
    return Saving(
        level=level,
        needed=needed,
        needed_by_baseline=by_baseline,
        budget=float(x[-1]),
        raw=float(1 - raw[0] / raw[1]) if np.isfinite(raw).all() else math.nan,
        low=low,
        high=high,
        interval=kind,  # type: ignore[arg-type]
        seeds=n,
        reached=int(np.isfinite(per_seed).sum()),
    )


def saving_curve(
    budgets: Sequence[float], strategy: NDArray[np.float64], baseline: NDArray[np.float64], higher_is_better: bool
) -> tuple[SavingPoint, ...]:
    """The saving at evenly spaced levels between the baseline's first and final fitted value, where both reach them.

    Arguments as of `label_saving`. The band is the t-interval of the log ratios where every seed of both reaches the
    level.
    """
    x, s, b, _ = _oriented(budgets, strategy, baseline, 0.0, higher_is_better)
    mean = isotonic(np.stack([s.mean(axis=0), b.mean(axis=0)]))
    fits, fits_of_baseline = isotonic(s), isotonic(b)
    points = []
    for level in np.linspace(mean[1, 0], mean[1, -1], LEVELS_OF_A_CURVE + 1)[1:]:
        needed, by_baseline = first_crossing(x, mean, level)
        value, low, high = math.nan, math.nan, math.nan
        if np.isfinite([needed, by_baseline]).all() and by_baseline > 0:
            value = 1 - needed / by_baseline
            each, each_baseline = first_crossing(x, fits, level), first_crossing(x, fits_of_baseline, level)
            if len(s) > 1 and np.isfinite([each, each_baseline]).all():
                low, high = _of_ratios(each / each_baseline, value)
        points.append(SavingPoint(float(level if higher_is_better else -level), float(value), low, high))
    return tuple(points)


def _of_ratios(ratios: NDArray[np.float64], saving: float) -> tuple[float, float]:
    """The t-interval of savings from their ratios at (n,) seeds, and the `saving` that is shown with it."""
    of_logs = t_interval(np.log(ratios))
    low, high = 1 - math.exp(of_logs.high), 1 - math.exp(of_logs.low)
    if math.isnan(low) or math.isinf(saving):
        return low, high
    return min(low, saving), max(high, saving)


def _oriented(
    budgets: Sequence[float],
    strategy: NDArray[np.float64],
    baseline: NDArray[np.float64],
    level: float,
    higher_is_better: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    x, sign = np.asarray(budgets, dtype=np.float64), 1.0 if higher_is_better else -1.0
    if strategy.shape != baseline.shape or strategy.shape[1:] != x.shape or len(strategy) == 0:
        raise ValueError(
            f"curves must be (n, {len(x)}) at the same seeds, got {strategy.shape} and {baseline.shape} over {len(x)}"
        )
    return x, sign * strategy, sign * baseline, sign * level


def _crossing_of_mean(x: NDArray[np.float64], curves: NDArray[np.float64], goal: float) -> float:
    return float(first_crossing(x, isotonic(curves.mean(axis=0, keepdims=True)), goal)[0])


def _resampled(
    x: NDArray[np.float64], s: NDArray[np.float64], b: NDArray[np.float64], goal: float, rng: Generator
) -> tuple[float, float]:
    at = resampled_seeds(len(s), rng, DRAWS)
    needed, by_baseline = (first_crossing(x, isotonic(curves[at].mean(axis=1)), goal) for curves in (s, b))
    never, baseline_never = np.isinf(needed), np.isinf(by_baseline)
    known = np.where(baseline_never, x[-1], by_baseline)
    lowest = np.where(never, -np.inf, 1 - np.where(never, x[-1], needed) / known)
    highest = np.where(baseline_never, 1.0, 1 - np.where(never, x[-1], needed) / known)
    low, high = expanded_levels(len(s))
    # Order statistics rather than interpolated quantiles: between -inf and a number there is nothing.
    low = float(np.quantile(lowest, low, method="lower"))
    return low, float(np.quantile(highest, high, method="higher"))
