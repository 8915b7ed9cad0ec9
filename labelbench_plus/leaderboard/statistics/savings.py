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
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import Estimate, t_interval, t_intervals
from labelbench_plus.leaderboard.statistics.isotonic_fit import first_crossing, first_crossings, isotonic
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


class Fits:
    """Curves at seeds and their isotonic fits, each worked out when it is first asked for.

    `budgets`: (r,), r ≥ 2. `curves`: (n, r) over them, n ≥ 1; those that fall as they get better are turned around, so
    that `level`s must be too. `seed`: of the resamples; the same for curves that are compared.
    """

    def __init__(
        self, budgets: Sequence[float], curves: NDArray[np.float64], higher_is_better: bool, seed: int = 0
    ) -> None:
        self.budgets, self.sign = np.asarray(budgets, dtype=np.float64), 1.0 if higher_is_better else -1.0
        if curves.shape[1:] != self.budgets.shape or len(curves) == 0:
            raise ValueError(f"curves must be (n, {len(self.budgets)}), got {curves.shape}")
        self.curves, self._seed = self.sign * curves, seed
        self._crossings: dict[tuple[str, float], NDArray[np.float64]] = {}  # a baseline is asked by all strategies

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """The mean curve as it is: (1, r)."""
        return self.curves.mean(axis=0, keepdims=True)

    @cached_property
    def of_mean(self) -> NDArray[np.float64]:
        """The fit of the mean curve: (1, r)."""
        return isotonic(self.mean)

    @cached_property
    def of_seeds(self) -> NDArray[np.float64]:
        """The fit of every curve: (n, r)."""
        return isotonic(self.curves)

    @cached_property
    def of_resamples(self) -> NDArray[np.float64]:
        """The fits of mean curves over resampled seeds: (`DRAWS`, r)."""
        at = resampled_seeds(len(self.curves), np.random.default_rng(self._seed), DRAWS)
        return isotonic(self.curves[at].mean(axis=1))

    def crossing(self, of: Literal["mean", "of_mean", "of_seeds", "of_resamples"], goal: float) -> NDArray[np.float64]:
        """The budgets at which some of these curves first reach a level, turned around where they are."""
        if (of, goal) not in self._crossings:
            self._crossings[of, goal] = first_crossing(self.budgets, getattr(self, of), goal)
        return self._crossings[of, goal]


def label_saving(strategy: Fits, baseline: Fits, level: float) -> Saving | None:
    """The saving of `strategy` against `baseline` at `level` of the metric; None where it is not defined.

    The two are row by row at the same seed. Undefined: the level is NaN, or the baseline starts at it or does not
    reach it.
    """
    x, goal, n = strategy.budgets, strategy.sign * level, len(strategy.curves)
    if strategy.curves.shape != baseline.curves.shape:
        shapes = f"{strategy.curves.shape} and {baseline.curves.shape}"
        raise ValueError(f"curves must be at the same seeds, got {shapes}")
    if math.isnan(goal):
        return None
    needed, by_baseline = (float(fits.crossing("of_mean", goal)[0]) for fits in (strategy, baseline))
    if math.isinf(by_baseline) or by_baseline <= x[0]:
        return None
    raw, raw_baseline = (fits.crossing("mean", goal)[0] for fits in (strategy, baseline))
    per_seed, per_seed_baseline = (fits.crossing("of_seeds", goal) for fits in (strategy, baseline))
    low, high, kind = math.nan, math.nan, "none"
    if n > 1 and np.isfinite(per_seed).all() and np.isfinite(per_seed_baseline).all():
        low, high = _of_logs(t_interval(np.log(per_seed / per_seed_baseline)), 1 - needed / by_baseline)
        kind = "none" if math.isnan(low) else "t"
    elif n >= FEWEST_UNITS:
        low, high = _resampled(strategy, baseline, goal)
        kind = "resampled"
    return Saving(
        level=level,
        needed=needed,
        needed_by_baseline=by_baseline,
        budget=float(x[-1]),
        raw=float(1 - raw / raw_baseline) if math.isfinite(raw) and math.isfinite(raw_baseline) else math.nan,
        low=low,
        high=high,
        interval=kind,  # type: ignore[arg-type]
        seeds=n,
        reached=int(np.isfinite(per_seed).sum()),
    )


def saving_curve(strategy: Fits, baseline: Fits) -> tuple[SavingPoint, ...]:
    """The saving at evenly spaced levels between the baseline's first and final fitted value, where both reach them.

    Arguments as of `label_saving`. The band is the t-interval of the log ratios where every seed of both reaches the
    level.
    """
    x, fit = strategy.budgets, baseline.of_mean[0]
    levels = np.linspace(fit[0], fit[-1], LEVELS_OF_A_CURVE + 1)[1:]
    needed, by_baseline = (first_crossings(x, fits.of_mean, levels)[:, 0] for fits in (strategy, baseline))
    each, each_of_baseline = (first_crossings(x, fits.of_seeds, levels) for fits in (strategy, baseline))
    known = np.isfinite(needed) & np.isfinite(by_baseline) & (by_baseline > 0)
    values = np.full(len(levels), math.nan)
    values[known] = 1 - needed[known] / by_baseline[known]
    lows, highs = np.full((2, len(levels)), math.nan)
    if len(strategy.curves) > 1:
        whole = np.flatnonzero(known & np.isfinite(each).all(axis=1) & np.isfinite(each_of_baseline).all(axis=1))
        of_logs = t_intervals(np.log(each[whole] / each_of_baseline[whole]))
        for at, estimate in zip(whole, of_logs, strict=True):
            lows[at], highs[at] = _of_logs(estimate, float(values[at]))
    columns = (strategy.sign * levels, values, lows, highs)
    return tuple(SavingPoint(*point) for point in zip(*(column.tolist() for column in columns), strict=True))


def _of_logs(of_logs: Estimate, saving: float) -> tuple[float, float]:
    """The interval of savings from that of their log ratios, and the `saving` that is shown with it."""
    low, high = 1 - math.exp(of_logs.high), 1 - math.exp(of_logs.low)
    if math.isnan(low) or math.isinf(saving):
        return low, high
    return min(low, saving), max(high, saving)


def _resampled(strategy: Fits, baseline: Fits, goal: float) -> tuple[float, float]:
    x = strategy.budgets
    needed, by_baseline = (fits.crossing("of_resamples", goal) for fits in (strategy, baseline))
    never, baseline_never = np.isinf(needed), np.isinf(by_baseline)
    known = np.where(baseline_never, x[-1], by_baseline)
    lowest = np.where(never, -np.inf, 1 - np.where(never, x[-1], needed) / known)
    highest = np.where(baseline_never, 1.0, 1 - np.where(never, x[-1], needed) / known)
    low, high = expanded_levels(len(strategy.curves))
    # Order statistics rather than interpolated quantiles: between -inf and a number there is nothing.
    low = float(np.quantile(lowest, low, method="lower"))
    return low, float(np.quantile(highest, high, method="higher"))
