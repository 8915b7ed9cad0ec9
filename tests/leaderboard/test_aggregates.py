"""Aggregates, shares, ranking over data sets, penalties and power against hand-made answers and maintained packages."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from labelbench_plus.leaderboard.statistics import (
    budget_tests,
    interquartile_mean,
    mean_over_datasets,
    penalty_matrix,
    performance_profile,
    power_of_paired_t_test,
    probability_of_improvement,
    ranking_over_datasets,
    rounds_to_test,
    seeds_to_separate,
    t_interval,
    total_penalty,
)
from labelbench_plus.leaderboard.statistics.aggregates import trimmed_half_width
from labelbench_plus.leaderboard.statistics.paired import paired_t_tests
from labelbench_plus.leaderboard.statistics.resampling import expanded_levels, hierarchical_samples


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestAggregates:
    def test_each_data_set_counts_once(self) -> None:
        mean = mean_over_datasets([np.array([1.0] * 9), np.array([3.0])], rng())
        assert mean.mean == 2.0 and mean.n == 2

    def test_few_units_get_a_t_interval(self) -> None:
        values = rng().normal(size=(4, 5))
        found = mean_over_datasets(list(values), rng())
        low, high = stats.t.interval(0.95, 3, values.mean(axis=1).mean(), stats.sem(values.mean(axis=1)))
        assert (found.low, found.high) == pytest.approx((low, high))

    def test_a_gain_has_one_interval_on_all_pages(self) -> None:
        values = rng().normal(size=12)
        assert mean_over_datasets([values], rng()) == t_interval(values)

    def test_many_units_are_resampled_the_same_each_time(self) -> None:
        values = list(rng().normal(size=(12, 5)))
        found = mean_over_datasets(values, rng(1))
        assert found == mean_over_datasets(values, rng(1))
        low, high = stats.t.interval(0.95, 11, found.mean, stats.sem([v.mean() for v in values]))
        assert found.high - found.low == pytest.approx(high - low, rel=0.35)

    def test_iqm_is_scipys_trimmed_mean_and_needs_twenty_values(self) -> None:
        values = list(rng().normal(size=(3, 8)))
        assert interquartile_mean(values, rng()).mean == pytest.approx(stats.trim_mean(np.concatenate(values), 0.25))
        assert math.isnan(interquartile_mean(values[:2], rng()).mean)
        assert interquartile_mean([v + 5 for v in values], rng()).low > 0

    def test_iqm_is_not_moved_by_one_run_gone_wrong(self) -> None:
        values = rng().normal(size=(1, 30)) * 0.01 + 1
        values[0, 0] = -1e6
        found = interquartile_mean(list(values), rng())
        assert found.mean == pytest.approx(1, abs=0.01) and found.low > 0.9

    def test_yuens_interval_is_scipys_and_plain_where_nothing_is_trimmed(self) -> None:
        x = rng(3).normal(size=11)
        # scipy's one-sample form: two samples, one without spread, share the standard error and degrees of freedom
        t = stats.ttest_ind(x, np.zeros(11), equal_var=False, trim=0.25)
        half = trimmed_half_width(x)
        assert half == pytest.approx(stats.t.ppf(0.975, t.df) * stats.trim_mean(x, 0.25) / t.statistic)
        y = x[:3]
        assert trimmed_half_width(y) == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(y))

    def test_samples_stay_within_their_data_set(self) -> None:
        samples = hierarchical_samples([np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0])], rng(), 500)
        assert samples.shape == (500, 2, 2)
        small = samples < 5
        assert (small.all(axis=2) | (~small).all(axis=2)).all()
        assert set(np.unique(samples)) == {1, 2, 10, 20, 30}

    def test_expanded_levels_approach_the_nominal_ones(self) -> None:
        assert expanded_levels(100_000)[0] == pytest.approx(0.025, abs=1e-4)
        assert expanded_levels(10)[0] < 0.01
        with pytest.raises(ValueError, match="at least 2"):
            expanded_levels(1)


class TestShares:
    def test_the_exact_binomial_interval_is_scipys(self) -> None:
        gains = np.array([1.0, 2.0, -1.0, 3.0, 0.5])
        found = probability_of_improvement([gains], rng())
        low, high = stats.binomtest(4, 5).proportion_ci(0.95, method="exact")
        assert (found.mean, found.low, found.high) == pytest.approx((0.8, low, high))
        sure = probability_of_improvement([np.ones(3)], rng())
        assert (sure.low, sure.high) == pytest.approx(stats.binomtest(3, 3).proportion_ci(0.95, method="exact"))

    def test_ties_count_half_and_only_lengthen_the_interval(self) -> None:
        found = probability_of_improvement([np.array([0.0, 1.0, -1.0])], rng())
        assert found.mean == 0.5
        assert found.low <= stats.binomtest(1, 3).proportion_ci(0.95).low
        assert found.high >= stats.binomtest(2, 3).proportion_ci(0.95).high

    def test_over_data_sets_it_stays_between_0_and_1(self) -> None:
        found = probability_of_improvement([np.ones(3), np.ones(3), np.array([-1.0, 1.0, 1.0])], rng())
        assert found.mean == pytest.approx(8 / 9) and found.high == 1.0 and found.n == 3
        sure = probability_of_improvement([np.ones(5)] * 12, rng())
        assert sure.mean == 1 and sure.low == pytest.approx(stats.binomtest(60, 60).proportion_ci(0.95).low)

    def test_a_profile_falls_from_one_to_zero(self) -> None:
        gains = [rng(4).normal(size=6), rng(5).normal(size=6)]
        profile = performance_profile(gains, np.array([-9.0, 0.0, 9.0]), rng())
        assert [point.mean for point in profile] == pytest.approx([1.0, np.mean([g > 0 for g in gains]), 0.0])


class TestRankingOverDatasets:
    NAMES = ("a", "b", "c", "d", "e")

    def values(self, n: int = 8) -> np.ndarray:
        return rng(7).normal(size=(n, 5)) + np.array([0.0, 3.0, 0.1, 3.1, 6.0])

    def test_equals_scipy_and_scikit_posthocs(self) -> None:
        posthocs = pytest.importorskip("scikit_posthocs", reason="needs the scikit-posthocs package")
        values = self.values(12)
        found = ranking_over_datasets(list(self.NAMES), values, True)
        assert found.friedman == pytest.approx(stats.friedmanchisquare(*values.T).pvalue, abs=1e-12)
        frame = pd.DataFrame(values, columns=list(self.NAMES)).melt()
        expected = posthocs.posthoc_wilcoxon(frame, "value", "variable", p_adjust="holm", sort=False)
        expected = expected.loc[list(found.names), list(found.names)].to_numpy()
        off = ~np.eye(5, dtype=bool)
        np.testing.assert_allclose(found.adjusted[off], expected[off], atol=1e-9)
        ranks = pd.DataFrame(-values, columns=list(self.NAMES)).rank(axis=1).mean()
        assert found.mean_ranks == pytest.approx(ranks[list(found.names)])

    def test_lower_can_be_better(self) -> None:
        up, down = (ranking_over_datasets(list(self.NAMES), sign * self.values(), sign > 0) for sign in (1, -1))
        assert up.names == down.names and up.mean_ranks == down.mean_ranks

    def test_groups_hold_no_significant_pair_and_are_maximal(self) -> None:
        found = ranking_over_datasets(list(self.NAMES), self.values(20), True)
        assert [{found.names[i] for i in range(first, last + 1)} for first, last in found.groups] == [
            {"b", "d"},
            {"a", "c"},
        ]

    def test_five_data_sets_are_too_few(self) -> None:
        with pytest.raises(ValueError, match="too few"):
            ranking_over_datasets(list(self.NAMES), self.values(5), True)

    def test_equal_columns_do_not_differ(self) -> None:
        found = ranking_over_datasets(["a", "b", "c"], np.repeat(rng().normal(size=(6, 1)), 3, axis=1), True)
        assert found.groups == ((0, 2),) and found.friedman == 1.0


SEEDS = {"a": range(12), "b": range(12), "c": (3, 1, 7, 20), "d": (30,), "e": ()}


class TestPenalty:
    def test_rounds_double_until_the_baseline_is_nearly_done(self) -> None:
        assert rounds_to_test(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), True) == (1, 2, 4, 8)
        assert rounds_to_test(np.array([0.1, 0.2, 0.995, 0.999, 1.0]), True) == (1, 2)
        assert rounds_to_test(np.array([9.0, 2.0, 1.005, 1.001, 1.0]), False) == (1, 2)
        assert rounds_to_test(np.array([0.7]), True) == (0,)

    def test_equals_scipys_tests_one_by_one(self) -> None:
        draw = rng(8)
        curves = {name: {s: draw.normal(i, 1.0, 9) for s in range(4)} for i, name in enumerate("abc")}
        found = penalty_matrix(budget_tests(curves, (1, 2, 4, 8), True))
        for i, a in enumerate("abc"):
            for j, b in enumerate("abc"):
                wins = 0.0
                for k in (1, 2, 4, 8):
                    x, y = ([curves[name][s][k] for s in range(4)] for name in (a, b))
                    if a != b and stats.ttest_rel(x, y).pvalue <= 0.05 and np.mean(x) > np.mean(y):
                        wins += 1 / 4
                assert found.wins[i, j] == pytest.approx(wins)
        np.testing.assert_allclose(penalty_matrix(budget_tests(curves, (1, 2, 4, 8), False)).wins, found.wins.T)
        assert penalty_matrix(budget_tests(curves, (1, 2, 4, 8), True), adjusted=True).wins.sum() <= found.wins.sum()

    def test_pairs_are_tested_over_the_seeds_that_both_have(self) -> None:
        draw = rng(11)
        curves = {name: {s: draw.normal(i, 1.0, 5) for s in seeds} for i, (name, seeds) in enumerate(SEEDS.items())}
        found = budget_tests(curves, (1, 2), True)
        for row, (a, b) in enumerate(combinations(SEEDS, 2)):
            d = [curves[a][s][[1, 2]] - curves[b][s][[1, 2]] for s in sorted({*SEEDS[a]} & {*SEEDS[b]})]
            gains = np.mean(d, axis=0) if d else np.zeros(2)
            np.testing.assert_array_equal(found.gain[row], gains)
            p = paired_t_tests(np.stack(d)) if d else np.full(2, np.nan)
            np.testing.assert_array_equal(found.p[row], p)

    def test_total_is_over_common_strategies(self) -> None:
        draw = rng(9)
        curves = {name: {s: draw.normal(i * 9, 1.0, 3) for s in range(4)} for i, name in enumerate("abc")}
        first = penalty_matrix(budget_tests(curves, (1, 2), True))
        second = penalty_matrix(budget_tests({name: curves[name] for name in "cab"[:2]}, (1, 2), True))
        total = total_penalty([first, second])
        assert total.names == ("a", "c") and total.n_settings == 2
        np.testing.assert_allclose(total.wins, [[0, 0], [2, 0]])
        np.testing.assert_allclose(total.penalties, [1, 0])


class TestPower:
    def test_equals_statsmodels(self) -> None:
        oracle = TTestPower()
        for effect, n in ((0.3, 5), (0.8, 10), (1.5, 4), (0.1, 200)):
            assert power_of_paired_t_test(effect, n) == pytest.approx(oracle.power(effect, n, 0.05), abs=1e-9)
        for mean in (0.2, 0.5, 1.0, 3.0):
            d = np.array([-1.0, 0.0, 1.0]) + mean
            assert seeds_to_separate(d) == math.ceil(oracle.solve_power(mean, alpha=0.05, power=0.8))

    def test_edges(self) -> None:
        assert math.isinf(seeds_to_separate([-1.0, 1.0])) and math.isinf(seeds_to_separate([-1.0, 1.0001]))
        assert math.isnan(seeds_to_separate([1.0, 1.0, 1.0])) and math.isnan(seeds_to_separate([1.0]))
        assert seeds_to_separate([1.0, 1.0001]) == 3, "no claim stands on two"
