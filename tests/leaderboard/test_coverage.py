"""Do 95 % intervals cover? By simulation: at least 93 % for 3 to 20 seeds, where an interval is given at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labelbench_plus.leaderboard.statistics import Fits, label_saving, mean_over_datasets, t_interval
from labelbench_plus.leaderboard.statistics.aggregates import interquartile_mean, trimmed_half_width
from labelbench_plus.leaderboard.statistics.resampling import FEWEST_UNITS
from labelbench_plus.leaderboard.statistics.shares import share

NOMINAL = 0.93
BUDGETS = np.arange(1.0, 9.0) * 10


@pytest.mark.parametrize("n", [3, 4, 5, 7, 10, 20])
def test_t_interval(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(4000, n))
    found = [t_interval(row) for row in draws]
    assert np.mean([e.low < 0 < e.high for e in found]) >= NOMINAL


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_interquartile_mean_over_seeds_of_one_data_set(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(4000 if n < 20 else 400, n))
    if n < 20:
        cut = int(0.25 * n)
        centres = np.sort(draws, axis=1)[:, cut : n - cut].mean(axis=1)
        halves = np.array([trimmed_half_width(row) for row in draws])
        assert np.mean(np.abs(centres) < halves) >= NOMINAL
    else:
        found = [interquartile_mean([row], np.random.default_rng(i)) for i, row in enumerate(draws)]
        assert np.mean([e.low < 0 < e.high for e in found]) >= NOMINAL - 2 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("datasets", "seeds"), [(3, 4), (5, 3), (FEWEST_UNITS, 3), (15, 5)])
def test_mean_over_data_sets(datasets: int, seeds: int) -> None:
    rng, trials = np.random.default_rng(datasets), 500
    covered = 0
    for i in range(trials):
        values = rng.normal(size=(datasets, 1)) + rng.normal(size=(datasets, seeds))
        e = mean_over_datasets(list(values), np.random.default_rng(i))
        covered += e.low < 0 < e.high
    assert covered / trials >= NOMINAL


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_share_of_one_data_set(n: int) -> None:
    draws = np.random.default_rng(n).random((2000, n)) < 0.7
    found = [share([row.astype(float)], np.random.default_rng(0)) for row in draws]
    assert np.mean([e.low < 0.7 < e.high for e in found]) >= NOMINAL


@pytest.mark.parametrize("datasets", [3, 5])
def test_share_over_data_sets(datasets: int) -> None:
    rng, trials = np.random.default_rng(datasets), 600
    covered = 0
    for i in range(trials):
        chances = rng.uniform(0.4, 1, datasets)
        found = share([(rng.random(5) < chance).astype(float) for chance in chances], np.random.default_rng(i))
        covered += found.low <= 0.7 <= found.high
    assert covered / trials >= NOMINAL


@pytest.mark.parametrize("datasets", [4, 7])
def test_interquartile_mean_over_data_sets(datasets: int) -> None:
    rng, trials = np.random.default_rng(datasets), 1500
    covered = 0
    for i in range(trials):
        values = rng.normal(size=(datasets, 1)) + rng.normal(size=(datasets, 5))
        found = interquartile_mean(list(values), np.random.default_rng(i))
        covered += found.low < 0 < found.high
    assert covered / trials >= NOMINAL


def curves(rng: np.random.Generator, n: int, half: float, noise: float, scale: float) -> np.ndarray:
    """(n, 8) saturating curves; a seed stretches the budget axis by a log-normal factor."""
    stretch = half * np.exp(rng.normal(0, scale, size=(n, 1)))
    return BUDGETS / (BUDGETS + stretch) + rng.normal(0, noise, (n, len(BUDGETS)))


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_label_saving_with_every_seed_at_the_level(n: int) -> None:
    # Without noise in the metric each seed's ratio of budgets is log-normal about 10 / 20, up to the linear
    # interpolation between rounds: the truth is taken from a very large sample.
    level, rng = 0.55, np.random.default_rng(n)
    many = label_saving(*(Fits(BUDGETS, curves(rng, 20000, half, 0, 0.15), True) for half in (10, 20)), level)
    assert many is not None and many.interval == "t"
    truth = 1 - math.sqrt((1 - many.low) * (1 - many.high))
    trials = 600
    covered = 0
    for _ in range(trials):
        saving = label_saving(*(Fits(BUDGETS, curves(rng, n, half, 0, 0.15), True) for half in (10, 20)), level)
        assert saving is not None and saving.interval == "t"
        covered += saving.low < truth < saving.high
    assert covered / trials >= NOMINAL


@pytest.mark.parametrize("n", [FEWEST_UNITS, 20])
def test_label_saving_where_seeds_are_censored(n: int) -> None:
    level, rng = 0.72, np.random.default_rng(n)
    mean = curves(rng, 100_000, 15, 0, 0.3).mean(axis=0), curves(rng, 100_000, 20, 0, 0.3).mean(axis=0)
    needed, by_baseline = (np.interp(level, m, BUDGETS) for m in mean)
    truth, trials, covered, resampled = 1 - needed / by_baseline, 250, 0, 0
    for trial in range(trials):
        fits = (Fits(BUDGETS, curves(rng, n, half, 0.005, 0.3), True, trial) for half in (15, 20))
        saving = label_saving(*fits, level)
        if saving is not None and saving.interval == "resampled":
            resampled += 1
            covered += saving.low < truth < saving.high
    assert resampled > 100
    assert covered / resampled >= NOMINAL
