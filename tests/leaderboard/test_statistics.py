"""Statistics against hand-made answers, SciPy and statsmodels, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from labelbench_plus.leaderboard.statistics import (
    Estimate,
    PairwiseTests,
    RankRange,
    area_under_budget_curve,
    areas_under_budget_curves,
    areas_under_log_budget_curves,
    holm,
    paired_differences,
    paired_t_test,
    pairwise_tests,
    rank_ranges,
    t_interval,
    t_intervals,
)


class TestArea:
    def test_of_a_constant_curve_is_the_constant(self) -> None:
        assert area_under_budget_curve([1, 10, 11, 500], [0.7] * 4) == pytest.approx(0.7, abs=1e-15)
        assert areas_under_log_budget_curves([1, 10, 11, 500], [[0.7] * 4])[0] == pytest.approx(0.7, abs=1e-15)

    def test_weighs_rounds_by_their_share_of_the_budget(self) -> None:
        # 0.5 on average over the first 10 of 100 units, 1 over the other 90
        assert area_under_budget_curve([0, 10, 100], [0, 1, 1]) == pytest.approx(0.95)

    def test_on_a_log_axis_counts_each_factor_alike(self) -> None:
        assert areas_under_log_budget_curves([1, 10, 100], [[0, 1, 1]])[0] == pytest.approx(0.75)

    def test_of_a_single_budget_is_the_value(self) -> None:
        assert area_under_budget_curve([50], [0.42]) == 0.42
        assert areas_under_log_budget_curves([50], [[0.42]])[0] == 0.42

    @pytest.mark.parametrize(
        ("budgets", "values", "message"),
        [
            ([1, 1, 2], [0, 0, 0], "increase strictly"),
            ([2, 1], [0, 0], "increase strictly"),
            ([1, 2], [0, math.nan], "finite"),
            ([1, 2], [0], "one length"),
            ([], [], "one length"),
        ],
    )
    def test_refuses_what_is_no_curve(self, budgets: list[float], values: list[float], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            area_under_budget_curve(budgets, values)

    def test_on_a_log_axis_refuses_a_budget_of_zero(self) -> None:
        with pytest.raises(ValueError, match="above zero"):
            areas_under_log_budget_curves([0, 1], [[0, 1]])[0]

    @pytest.mark.parametrize("r", [1, 2, 6, 40])
    def test_many_have_the_same_bits_as_each_alone(self, r: int) -> None:
        draw = np.random.default_rng(r)
        budgets, curves = np.cumsum(draw.uniform(1, 9, r)), draw.normal(size=(r, 30)).T
        alone = [np.trapezoid(c, budgets) / (budgets[-1] - budgets[0]) if r > 1 else c[0] for c in curves]
        assert areas_under_budget_curves(budgets, curves).tolist() == [float(area) for area in alone]


class TestInterval:
    @pytest.mark.parametrize("n", [2, 3, 8, 9, 20, 130])
    def test_many_have_the_same_bits_as_each_alone(self, n: int) -> None:
        columns = np.random.default_rng(n).normal(size=(n, 5))
        columns[:, 3] = 0.1
        for values, found in zip(columns.T, t_intervals(columns.T), strict=True):
            x = np.array(values)  # alone in memory
            mean = float(x.mean())
            half = float(special.stdtrit(n - 1, 0.975) * x.std(ddof=1) / math.sqrt(n)) if np.ptp(x) else math.nan
            assert repr(found) == repr(Estimate(mean, mean - half, mean + half, n))

    def test_by_hand(self) -> None:
        # mean 2, s = 1, t(2, 0.975) = 4.302653
        e = t_interval([1, 2, 3])
        assert (e.mean, e.n) == (2.0, 3)
        assert e.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)

    @pytest.mark.parametrize("n", [2, 3, 5, 20])
    @pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
    def test_equals_scipy(self, n: int, confidence: float) -> None:
        values = np.random.default_rng(n).normal(3, 2, n)
        e = t_interval(values, confidence)
        low, high = stats.t.interval(confidence, n - 1, values.mean(), stats.sem(values))
        assert (e.low, e.high) == pytest.approx((low, high), rel=1e-12)

    def test_of_one_value_or_none_has_no_bounds(self) -> None:
        one, none = t_interval([0.5]), t_interval([])
        assert (one.mean, one.n) == (0.5, 1)
        assert math.isnan(one.low) and math.isnan(one.high)
        assert math.isnan(none.mean) and none.n == 0
        assert not one.excludes_zero()

    def test_refuses_nan_and_nonsense_confidence(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            t_interval([1, math.nan])
        with pytest.raises(ValueError, match="between 0 and 1"):
            t_interval([1, 2], 95)

    @pytest.mark.parametrize("n", [3, 4, 5, 8, 12, 20])
    def test_covers_the_mean_as_often_as_it_says(self, n: int) -> None:
        rng = np.random.default_rng(n)
        draws = 2000
        hits = sum(e.low <= 0.3 <= e.high for e in map(t_interval, rng.normal(0.3, 0.01, (draws, n))))
        # 0.95 with a standard error of 0.005; a percentile bootstrap reaches 0.75 at n = 3 and 0.92 at 20
        assert 0.93 <= hits / draws <= 0.97


class TestPairedTest:
    def test_differences_use_common_seeds_in_order(self) -> None:
        assert paired_differences({3: 5.0, 1: 2.0, 9: 0.0}, {1: 1.5, 3: 1.0, 4: 7.0}).tolist() == [0.5, 4.0]
        assert paired_differences({1: 1.0}, {2: 1.0}).tolist() == []

    @pytest.mark.parametrize("n", [3, 5, 30])
    def test_equals_scipy(self, n: int) -> None:
        rng = np.random.default_rng(n)
        a, b = rng.normal(0, 1, n), rng.normal(0.4, 1, n)
        assert paired_t_test(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)

    def test_at_its_limits(self) -> None:
        assert paired_t_test([0.0, 0.0, 0.0]) == 1.0
        assert math.isnan(paired_t_test([0.5])) and math.isnan(paired_t_test([0.5, 0.6]))
        with pytest.raises(ValueError, match="finite"):
            paired_t_test([1, math.inf])

    def test_equal_differences_are_no_certainty(self) -> None:
        a, b = [0.9, 0.7, 1.1], [0.8, 0.6, 1.0]
        equal = np.array(a) - np.array(b)
        assert np.ptp(equal) > 0, "0.1 but for the last bits"
        assert math.isnan(paired_t_test(equal))
        assert math.isnan(t_interval(equal).half_width) and not t_interval(equal).excludes_zero()
        assert t_interval([0.0, 0.0, 0.0]).half_width == 0, "that nothing differs is no claim"
        tests = pairwise_tests({"a": dict(enumerate(a)), "b": dict(enumerate(b))})
        assert {name: (r.best, r.worst) for name, r in rank_ranges(tests, True).items()} == {"a": (1, 2), "b": (1, 2)}


class TestHolm:
    def test_by_hand(self) -> None:
        # sorted 0.01 0.02 0.03 0.04: times 4 3 2 1 = 0.04 0.06 0.06 0.04, then never decreasing
        assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])

    def test_is_capped_at_one_and_empty_for_nothing(self) -> None:
        assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
        assert holm([]).tolist() == []

    def test_equals_statsmodels(self) -> None:
        multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is the oracle")
        rng = np.random.default_rng(1)
        for m in (1, 2, 7, 45):
            p = rng.uniform(0, 1, m) ** 3
            p[rng.integers(m)] = p[0]  # a tie
            assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-12)

    def test_counts_a_test_that_could_not_be_made(self) -> None:
        adjusted = holm([0.01, math.nan, 0.02])
        assert math.isnan(adjusted[1])
        assert adjusted[[0, 2]] == pytest.approx([0.03, 0.04])

    def test_refuses_what_is_no_probability(self) -> None:
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            holm([0.5, 1.5])


class TestPairwise:
    def test_every_pair_equals_scipy_and_statsmodels(self) -> None:
        multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is the oracle")
        rng = np.random.default_rng(2)
        values = {f"s{i}": {seed: float(rng.normal(i * 0.4, 1)) for seed in range(6)} for i in range(5)}
        tests = pairwise_tests(values)
        rows, columns = np.triu_indices(5, 1)
        table = np.array([list(by_seed.values()) for by_seed in values.values()])
        raw = [stats.ttest_rel(table[i], table[j]).pvalue for i, j in zip(rows, columns, strict=True)]
        assert tests.p[rows, columns] == pytest.approx(raw, rel=1e-9)
        holms = multitest.multipletests(raw, method="holm")[1]
        assert tests.adjusted[rows, columns] == pytest.approx(holms, rel=1e-9)
        assert np.array_equal(tests.adjusted, tests.adjusted.T, equal_nan=True)
        assert tests.difference == pytest.approx(table.mean(1)[:, None] - table.mean(1)[None], abs=1e-12)
        assert np.isnan(np.diag(tests.p)).all() and (tests.pairs == 6).all()

    def test_pairs_by_seed_not_by_position(self) -> None:
        tests = pairwise_tests({"a": {0: 1.0, 1: 2.0, 2: 4.0}, "b": {2: 1.0, 0: 0.5, 7: 9.0}})
        assert tests.pairs.tolist() == [[3, 2], [2, 3]]
        assert tests.difference[0, 1] == pytest.approx((0.5 + 3.0) / 2)

    def test_reorders(self) -> None:
        tests = pairwise_tests(
            {n: dict(enumerate(v)) for n, v in {"a": (1, 2.1, 3), "b": (0.5, 0.7, 2), "c": (3, 3.3, 3)}.items()}
        )
        again = tests.in_order(["c", "a", "b"])
        assert again.names == ("c", "a", "b")
        assert again.difference[0, 2] == tests.difference[2, 1]
        assert again.adjusted[1, 2] == tests.adjusted[0, 1]

    def test_of_one_strategy_or_none_is_empty(self) -> None:
        assert rank_ranges(pairwise_tests({"a": {0: 1.0}}), True) == {"a": RankRange(1, 1, 1)}
        assert rank_ranges(pairwise_tests({}), True) == {}


def _tests(difference: list[list[float]], adjusted: list[list[float]]) -> PairwiseTests:
    names = tuple("abcd"[: len(difference)])
    p = np.array(adjusted, dtype=float)
    return PairwiseTests(names, np.array(difference, dtype=float), p, p, np.full(p.shape, 5))


class TestRankRanges:
    difference = ((0.0, 1.0, 2.0, 3.0), (-1.0, 0.0, 1.0, 2.0), (-2.0, -1.0, 0.0, 1.0), (-3.0, -2.0, -1.0, 0.0))

    def test_overlapping_chain(self) -> None:
        # neighbours cannot be told apart, others can
        n, s, o = math.nan, 0.001, 0.3
        tests = _tests([list(row) for row in self.difference], [[n, o, s, s], [o, n, o, s], [s, o, n, o], [s, s, o, n]])
        assert rank_ranges(tests, True) == {
            "a": RankRange(1, 2, 4),
            "b": RankRange(1, 3, 4),
            "c": RankRange(2, 4, 4),
            "d": RankRange(3, 4, 4),
        }
        assert rank_ranges(tests, False)["d"] == RankRange(1, 2, 4)

    def test_nothing_or_everything_significant(self) -> None:
        difference = [list(row) for row in self.difference]
        tied = rank_ranges(_tests(difference, [[0.5] * 4] * 4), True)
        assert set(tied.values()) == {RankRange(1, 4, 4)}
        apart = rank_ranges(_tests(difference, [[0.0] * 4] * 4), True)
        assert [apart[name].best for name in "abcd"] == [1, 2, 3, 4]
        assert all(r.best == r.worst for r in apart.values())

    def test_a_test_that_could_not_be_made_separates_nothing(self) -> None:
        tests = pairwise_tests({"a": {0: 1.0}, "b": {0: 0.0}})
        assert rank_ranges(tests, True)["b"] == RankRange(1, 2, 2)

    def test_equal_strategies_are_rarely_separated(self) -> None:
        rng = np.random.default_rng(3)
        draws, false = 800, 0
        for table in rng.normal(0, 1, (draws, 5, 5)):
            values = {f"s{i}": dict(enumerate(map(float, row))) for i, row in enumerate(table)}
            false += any(r != RankRange(1, 5, 5) for r in rank_ranges(pairwise_tests(values), True).values())
        assert false / draws <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def test_estimate_knows_its_side_of_zero() -> None:
    assert Estimate(2, 1, 3, 5).excludes_zero()
    assert Estimate(-2, -3, -1, 5).excludes_zero()
    assert not Estimate(1, -1, 3, 5).excludes_zero()
    assert not Estimate(2, 1, 3, 2).excludes_zero(), "two are too few"
