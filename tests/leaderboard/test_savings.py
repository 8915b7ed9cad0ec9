"""Label savings on curves drawn by hand, censored ones included, and on LabelBench's published curves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from labelbench_plus.leaderboard.statistics import (
    SHARES,
    Fits,
    Saving,
    first_crossing,
    isotonic,
    label_saving,
    saving_curve,
    t_interval,
    target_level,
)
from labelbench_plus.leaderboard.statistics.resampling import FEWEST_UNITS, expanded_levels, resampled_seeds

BUDGETS = (100.0, 200.0, 300.0, 400.0)
RANDOM = np.array([[0.5, 0.6, 0.7, 0.8]])
LABELBENCH = Path(__file__).parents[2] / ".." / "shared" / "fixtures" / "labelbench" / "curves.csv"


def saving_of(strategy, baseline, level, *, higher=True, budgets=BUDGETS, draws=0) -> Saving | None:
    return label_saving(*(Fits(budgets, curves, higher, draws) for curves in (strategy, baseline)), level)


def saving_one_by_one(strategy, baseline, level, *, higher=True, budgets=BUDGETS, draws=0) -> Saving | None:
    """The same from its definition, fit by fit."""
    x, sign = np.array(budgets), 1.0 if higher else -1.0
    s, b, goal = sign * strategy, sign * baseline, sign * level
    of_mean = [float(first_crossing(x, isotonic(c.mean(axis=0, keepdims=True)), goal)[0]) for c in (s, b)]
    if math.isnan(goal) or math.isinf(of_mean[1]) or of_mean[1] <= x[0]:
        return None
    raw = [float(first_crossing(x, c.mean(axis=0, keepdims=True), goal)[0]) for c in (s, b)]
    each = [np.array([first_crossing(x, isotonic(curve[None]), goal)[0] for curve in c]) for c in (s, b)]
    value, low, high, kind = 1 - of_mean[0] / of_mean[1], math.nan, math.nan, "none"
    if len(s) > 1 and np.isfinite(each).all():
        logs = t_interval(np.log(each[0] / each[1]))
        if not math.isnan(logs.low):
            low, high, kind = 1 - math.exp(logs.high), 1 - math.exp(logs.low), "t"
            low, high = (min(low, value), max(high, value)) if np.isfinite(value) else (low, high)
    elif len(s) >= FEWEST_UNITS:
        lowest, highest = [], []
        for at in resampled_seeds(len(s), np.random.default_rng(draws)):
            n, m = (first_crossing(x, isotonic(c[at].mean(axis=0, keepdims=True)), goal)[0] for c in (s, b))
            known = x[-1] if math.isinf(m) else m
            lowest.append(-math.inf if math.isinf(n) else 1 - n / known)
            highest.append(1.0 if math.isinf(m) else 1 - min(n, x[-1]) / known)
        (lower, upper), kind = expanded_levels(len(s)), "resampled"
        low = float(np.quantile(lowest, lower, method="lower"))
        high = float(np.quantile(highest, upper, method="higher"))
    return Saving(
        level, of_mean[0], of_mean[1], budgets[-1], 1 - raw[0] / raw[1] if np.isfinite(raw).all() else math.nan,
        low, high, kind, len(s), int(np.isfinite(each[0]).sum()),
    )  # fmt: skip


class TestIsotonic:
    def test_equals_scipys_on_random_curves_with_ties(self) -> None:
        draw = np.random.default_rng(1)
        for r in (1, 2, 7, 40, 90):
            curves = draw.integers(0, 9, size=(25, r)).astype(float)
            expected = np.stack([optimize.isotonic_regression(curve).x for curve in curves])
            np.testing.assert_allclose(isotonic(curves), expected, atol=1e-12)

    def test_does_not_depend_on_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        curves = np.random.default_rng(2).normal(size=(50, 12))
        whole = isotonic(curves)
        monkeypatch.setattr("labelbench_plus.leaderboard.statistics.isotonic_fit.CHUNK", 300)
        np.testing.assert_array_equal(isotonic(curves), whole)

    def test_a_dip_is_averaged_out_not_maximised(self) -> None:
        np.testing.assert_allclose(isotonic(np.array([[0.0, 0.9, 0.5, 1.0]])), [[0.0, 0.7, 0.7, 1.0]])


class TestFirstCrossing:
    def test_is_linear_between_rounds_and_infinite_if_never(self) -> None:
        x = np.array(BUDGETS)
        assert first_crossing(x, RANDOM, 0.65)[0] == pytest.approx(250)
        assert first_crossing(x, RANDOM, 0.7)[0] == pytest.approx(300)
        assert first_crossing(x, RANDOM, 0.3)[0] == 100
        assert math.isinf(first_crossing(x, RANDOM, 0.81)[0])

    def test_the_final_mean_is_reached_in_spite_of_rounding(self) -> None:
        draw = np.random.default_rng(3)
        for _ in range(200):
            curves = draw.normal(size=(draw.integers(1, 9), 6))
            fit = isotonic(curves.mean(axis=0, keepdims=True))
            assert np.isfinite(first_crossing(np.arange(1.0, 7), fit, float(curves[:, -1].mean())))[0]


class TestSaving:
    def test_by_hand(self) -> None:
        fast = np.array([[0.5, 0.8, 0.85, 0.9]])
        saving = saving_of(fast, RANDOM, 0.8)
        assert saving is not None
        assert (saving.needed, saving.needed_by_baseline, saving.value) == pytest.approx((200, 400, 0.5))
        assert saving.raw == pytest.approx(0.5) and saving.interval == "none" and not saving.censored

    def test_what_is_never_reached_is_censored_not_dropped(self) -> None:
        slow = np.array([[0.5, 0.55, 0.6, 0.65]])
        saving = saving_of(slow, RANDOM, 0.7)
        assert saving is not None and saving.censored and math.isinf(saving.needed)
        assert saving.value == pytest.approx(1 - 400 / 300)  # at best: it would need more than all there is
        assert math.isnan(saving.raw) and saving.reached == 0

    def test_for_an_error_lower_is_reached_from_above(self) -> None:
        error, fast = 1 - RANDOM, 1 - np.array([[0.5, 0.8, 0.85, 0.9]])
        saving = saving_of(fast, error, 0.2, higher=False)
        assert saving is not None and saving.value == pytest.approx(0.5)
        assert target_level(0.2, 0.95, False) == pytest.approx(0.2 / 0.95)
        assert target_level(0.8, 0.95, True) == pytest.approx(0.76)
        assert math.isnan(target_level(-1.0, 0.95, True)) and target_level(-1.0, 1.0, True) == -1.0

    def test_is_undefined_where_the_baseline_starts_at_the_level(self) -> None:
        assert saving_of(RANDOM, RANDOM, 0.5) is None
        assert saving_of(RANDOM, RANDOM, 0.9) is None
        assert saving_of(RANDOM, RANDOM, math.nan) is None

    def test_t_interval_of_log_ratios_where_all_seeds_reach_it(self) -> None:
        baseline = np.repeat(RANDOM, 3, axis=0)
        strategy = np.stack([np.interp(BUDGETS, [100, n, 400], [0.5, 0.8, 0.95]) for n in (200, 300, 250)])
        saving = saving_of(strategy, baseline, 0.7)
        assert saving is not None and saving.interval == "t" and saving.reached == 3
        logs = np.log(first_crossing(np.array(BUDGETS), isotonic(strategy), 0.7) / 300)
        half = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)
        assert saving.low == pytest.approx(1 - math.exp(logs.mean() + half))
        assert saving.high == pytest.approx(1 - math.exp(logs.mean() - half))

    def test_resampled_interval_is_open_where_resamples_do_not_reach_the_level(self) -> None:
        draw = np.random.default_rng(5)
        baseline = np.repeat(RANDOM, 12, axis=0) + draw.normal(0, 0.01, (12, 4))
        strategy = np.repeat(RANDOM, 12, axis=0) + draw.normal(0, 0.05, (12, 4))
        level = float(baseline[:, -1].mean())
        saving = saving_of(strategy, baseline, level)
        assert saving is not None and saving.interval == "resampled"
        assert saving.low == -math.inf and saving.high <= 1
        assert saving == saving_of(strategy, baseline, level)
        few = saving_of(strategy[:5], baseline[:5], level)
        assert few is None or few.interval == "none"

    @pytest.mark.parametrize("n", [1, 2, 9, 12])
    @pytest.mark.parametrize("higher", [True, False])
    def test_fits_that_are_shared_give_the_same_bits_as_each_for_itself(self, n: int, higher: bool) -> None:
        draw = np.random.default_rng(n)
        mean = np.array([0.5, 0.6, 0.7, 0.8]) if higher else np.array([0.8, 0.7, 0.6, 0.5])
        ours, theirs = (Fits(BUDGETS, mean + draw.normal(0, 0.05, (n, 4)), higher, 7) for _ in range(2))
        found = [label_saving(ours, theirs, level) for level in (0.55, 0.6, 0.65, 0.7, 0.75)]
        sign = 1 if higher else -1
        expected = [
            saving_one_by_one(sign * ours.curves, sign * theirs.curves, level, higher=higher, draws=7)
            for level in (0.55, 0.6, 0.65, 0.7, 0.75)
        ]
        assert [repr(each) for each in found] == [repr(each) for each in expected]
        assert n < FEWEST_UNITS or "resampled" in {each.interval for each in found if each}

    def test_refuses_curves_that_are_not_paired(self) -> None:
        with pytest.raises(ValueError, match="same seeds"):
            saving_of(RANDOM, np.repeat(RANDOM, 2, axis=0), 0.7)


def test_saving_curve_ends_at_the_saving_at_the_final_level() -> None:
    fast = np.array([[0.5, 0.8, 0.85, 0.9]])
    for curves, higher in (((fast, RANDOM), True), ((1 - fast, 1 - RANDOM), False)):
        points = saving_curve(*(Fits(BUDGETS, of, higher) for of in curves))
        assert points[-1].value == pytest.approx(0.5) and points[-1].level == pytest.approx(0.8 if higher else 0.2)
        for point in points:
            rise = abs(point.level - 0.5)
            assert point.value == pytest.approx(1 - (100 + 100 * rise / 0.3) / (100 + 1000 * rise))
    slow = np.array([[0.5, 0.55, 0.6, 0.65]])
    assert math.isnan(saving_curve(Fits(BUDGETS, slow, True), Fits(BUDGETS, RANDOM, True))[-1].value)


def test_on_labelbenchs_curves_censoring_is_common_and_said() -> None:
    if not LABELBENCH.exists():
        pytest.skip("needs shared/fixtures/labelbench/curves.csv beside the repository")
    curves = pd.read_csv(LABELBENCH)
    settings = ["kind", "dataset", "batch_size", "embed", "proxy", "model", "trainer"]
    savings = []
    for _, setting in curves.groupby(settings, dropna=False):
        runs: dict[str, dict[int, np.ndarray]] = {}
        for (name, seed), run in setting.sort_values("round").groupby(["strategy", "seed"]):
            runs.setdefault(str(name), {})[int(seed)] = run["Test Accuracy"].to_numpy()
        baseline = runs.pop("random_sampling", {}) or runs.pop("random", {})
        if not baseline or (r := max(map(len, baseline.values()))) < 3:
            continue
        final = float(np.mean([run[-1] for run in baseline.values() if len(run) == r]))
        for of_strategy in runs.values():
            seeds = [s for s in of_strategy if s in baseline and len(of_strategy[s]) == len(baseline[s]) == r]
            if len(seeds) < 2:
                continue
            ours, theirs = (np.stack([of[s] for s in seeds]) for of in (of_strategy, baseline))
            for share in SHARES:
                level = target_level(final, share, True)
                found = saving_of(ours, theirs, level, budgets=[float(k) for k in range(1, r + 1)])
                savings += [found] if found is not None else []
    assert len(savings) > 100
    open_at_a_seed = [saving for saving in savings if saving.reached < saving.seeds]
    assert sum(saving.censored for saving in savings) > 0.05 * len(savings)
    assert len(open_at_a_seed) > 0.05 * len(savings)
    assert all(saving.value < 1 for saving in savings) and all(s.interval != "t" for s in open_at_a_seed)
    moved = [abs(s.raw - s.value) for s in savings if np.isfinite(s.raw) and not s.censored]
    assert 0 < float(np.median(moved)) < 0.2  # the curve treatment alone moves a saving


@pytest.mark.parametrize("seed", range(30))
def test_a_saving_lies_within_its_own_interval(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.05, (2, 6, 5))
    curves = np.linspace(0.3, 0.8, 5) + noise
    budgets = (10.0, 20.0, 30.0, 40.0, 50.0)
    saving = saving_of(curves[0], curves[1], 0.6, budgets=budgets)
    assert saving is not None
    if saving.interval == "t":
        assert saving.low <= saving.value <= saving.high
    points = saving_curve(*(Fits(budgets, of, True) for of in curves))
    assert all(p.low <= p.value <= p.high for p in points if p.low == p.low)
