"""From curves to a board: the numbers, and what is left out, warned of or refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.leaderboard import build_board
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import Estimate, RankRange, t_interval

from .synthetic import BUDGETS, STRATEGIES, meta, synthetic_curves


def cell(setting: BoardSetting, strategy: str, key: str) -> object:
    keys = [column.key for column in setting.table.columns]
    row = next(row for row in setting.table.rows if row[keys.index("strategy")] == strategy)
    return row[keys.index(key)]


def only(curves: pd.DataFrame, **changes: object) -> BoardSetting:
    (setting,) = build_board(curves, meta(**changes)).settings  # type: ignore[arg-type]
    return setting


def tiny(values: dict[str, list[list[float]]], budgets: tuple[float, ...] = (10, 20, 40)) -> pd.DataFrame:
    """Curves with given accuracies: strategy -> one list of accuracies a seed."""
    curves = synthetic_curves(
        strategies=dict.fromkeys(values, 0.0), seeds=range(len(next(iter(values.values())))), budgets=budgets
    )
    for strategy, by_seed in values.items():
        for seed, accuracies in enumerate(by_seed):
            rows = (curves["strategy"] == strategy) & (curves["seed"] == seed)
            curves.loc[rows, "accuracy"] = accuracies
    return curves


def test_numbers_by_hand() -> None:
    curves = tiny(
        {
            "random": [[0.1, 0.3, 0.3], [0.2, 0.4, 0.4], [0.3, 0.5, 0.5]],
            "margin": [[0.1, 0.5, 0.5], [0.2, 0.7, 0.5], [0.3, 0.6, 0.9]],
        }
    )
    setting = only(curves, budgets=(10, 20, 40))
    # areas: random (0.2 · 10 + 0.3 · 20) / 30 and so on
    random = np.array([8 / 30, 11 / 30, 14 / 30])
    margin = np.array([(3.0 + 10.0) / 30, (4.5 + 12.0) / 30, (4.5 + 15.0) / 30])
    aubc, gain = cell(setting, "margin", "aubc"), cell(setting, "margin", "gain")
    assert isinstance(aubc, Estimate) and isinstance(gain, Estimate)
    assert aubc.mean == pytest.approx(margin.mean())
    assert gain.mean == pytest.approx((margin - random).mean())
    assert gain.half_width == pytest.approx(t_interval(margin - random).half_width)
    final = cell(setting, "margin", "final")
    assert isinstance(final, Estimate) and final.mean == pytest.approx((0.5 + 0.5 + 0.9) / 3)
    assert cell(setting, "random", "gain") is None
    assert [point.mean for point in setting.gain_curves[0].points] == pytest.approx([0, 0.2, 0.7 / 3])
    assert setting.warnings == ()


def test_lower_is_better_turns_gains_and_ranks_around() -> None:
    curves = synthetic_curves(noise=0.001)
    up, down = only(curves), only(curves, metric="nll", higher_is_better=False)
    assert [row[1] for row in up.table.rows] == [row[1] for row in down.table.rows]
    assert up.leaders == down.leaders
    gain, margin = cell(down, "margin", "gain"), cell(down, "margin", "aubc")
    assert isinstance(gain, Estimate) and isinstance(margin, Estimate)
    assert gain.mean == pytest.approx(_mean(down, "random") - margin.mean) and gain.mean > 0
    assert down.gain_curves[0].points[-1].mean > 0


def _mean(setting: BoardSetting, strategy: str) -> float:
    aubc = cell(setting, strategy, "aubc")
    assert isinstance(aubc, Estimate)
    return aubc.mean


def test_clear_differences_are_ranked_and_equals_are_tied() -> None:
    setting = only(synthetic_curves({"random": 0.0, "bad": -0.3, "good": 0.3, "as good": 0.3}, noise=0.002))
    assert cell(setting, "bad", "rank") == RankRange(4, 4, 4)
    assert cell(setting, "random", "rank") == RankRange(3, 3, 4)
    assert cell(setting, "good", "rank") == cell(setting, "as good", "rank") == RankRange(1, 2, 4)
    assert set(setting.leaders) == {"good", "as good"} == set(setting.beats_baseline)
    assert [row[1] for row in setting.table.rows][2:] == ["random", "bad"]


def test_costs_are_sums_over_rounds_and_peaks_over_runs() -> None:
    curves = synthetic_curves(seeds=[0, 1])
    curves.loc[curves["seed"] == 1, "train_seconds"] *= 3
    curves.loc[(curves["strategy"] == "margin") & (curves["round"] == 4), "select_peak_bytes"] = 9e9
    curves.loc[curves["strategy"] == "entropy", ["select_seconds", "select_peak_bytes"]] = np.nan
    setting = only(curves)
    one_run = sum(0.1 + 0.001 * budget for budget in BUDGETS)
    assert cell(setting, "margin", "train_seconds") == pytest.approx(2 * one_run)
    assert cell(setting, "margin", "select_seconds") == pytest.approx(9 * (0.02 + 2 * STRATEGIES["margin"]))
    assert cell(setting, "margin", "select_peak_bytes") == 9e9
    assert cell(setting, "entropy", "select_seconds") is None
    assert cell(setting, "entropy", "select_peak_bytes") is None


def test_seconds_of_runs_that_shared_a_device_are_no_timings() -> None:
    curves = synthetic_curves(seeds=[0, 1])
    curves.loc[curves["seed"] == 0, "train_seconds"] *= 100
    curves["concurrency"] = np.where(curves["seed"] == 0, 2.0, np.nan)  # not known of results from before it was noted
    curves.loc[curves["strategy"] == "entropy", "concurrency"] = 3
    setting = only(curves)
    assert cell(setting, "margin", "train_seconds") == pytest.approx(sum(0.1 + 0.001 * budget for budget in BUDGETS))
    assert cell(setting, "entropy", "train_seconds") is None
    assert isinstance(cell(setting, "entropy", "final"), Estimate)


def test_seconds_of_a_run_that_lost_a_rounds_costs_are_not_the_sum_of_the_others() -> None:
    curves = synthetic_curves(seeds=[0, 1])
    costs = ["select_seconds", "train_seconds", "select_peak_bytes", "train_peak_bytes"]
    curves.loc[(curves["seed"] == 0) & (curves["round"] == 1), costs] = np.nan
    curves.loc[(curves["strategy"] == "entropy") & (curves["round"] == 0), costs] = np.nan
    setting = only(curves)
    assert cell(setting, "margin", "train_seconds") == pytest.approx(sum(0.1 + 0.001 * budget for budget in BUDGETS))
    assert cell(setting, "entropy", "train_seconds") is None
    assert isinstance(cell(setting, "entropy", "final"), Estimate)


def test_one_setting_for_each_problem_and_trainer() -> None:
    curves = synthetic_curves(problems=["b", "a"], trainers=["y", "x"], seeds=range(3))
    board = build_board(curves, meta(problems=["a", "b"]))
    assert [setting.name for setting in board.settings] == ["a × x", "a × y", "b × x", "b × y"]
    assert all(setting.n_runs == 18 for setting in board.settings)


def test_rows_may_come_in_any_order() -> None:
    curves = synthetic_curves(seeds=range(3))
    shuffled = curves.sample(frac=1, random_state=1)
    assert only(curves).table == only(shuffled).table


def test_unit_of_the_budget() -> None:
    curves = synthetic_curves(seeds=range(3))
    assert only(curves).unit == "labels"
    curves["spent"] *= 2.5
    assert only(curves, budgets=[2.5 * b for b in BUDGETS]).unit == "units of budget"


def test_one_shot_selection_has_areas_equal_to_its_values() -> None:
    setting = only(synthetic_curves(budgets=[500.0]), budgets=[500.0])
    assert cell(setting, "margin", "aubc") == cell(setting, "margin", "final") == cell(setting, "margin", "log_aubc")


def test_a_grid_from_zero_has_no_log_area() -> None:
    setting = only(synthetic_curves(budgets=[0.0, 10.0], seeds=range(3)), budgets=[0.0, 10.0])
    assert cell(setting, "margin", "log_aubc") is None
    assert isinstance(cell(setting, "margin", "aubc"), Estimate)


class TestLeftOut:
    def test_incomplete_runs_by_name(self) -> None:
        curves = synthetic_curves()
        run = "digits-logistic-margin-3"
        curves.loc[curves["run_id"] == run, "complete"] = False
        curves = curves[~((curves["run_id"] == run) & (curves["round"] > 6))]
        setting = only(curves)
        assert cell(setting, "margin", "seeds") == 4
        assert f"run {run} (margin, seed 3) is left out: incomplete, 7 of 10 rounds" in setting.warnings
        assert any("margin lacks the seed(s) 3" in warning for warning in setting.warnings)

    def test_runs_off_the_declared_grid_are_not_interpolated(self) -> None:
        curves = synthetic_curves()
        curves.loc[(curves["run_id"] == "digits-logistic-badge-0") & (curves["round"] == 2), "spent"] = 61.0
        curves = curves[~((curves["run_id"] == "digits-logistic-badge-1") & (curves["round"] == 9))]
        warnings = only(curves).warnings
        assert any("badge, seed 0" in w and "round 2: 61 spent, 60 declared" in w for w in warnings)
        assert any("badge, seed 1" in w and "9 rounds, 10 declared" in w for w in warnings)
        assert any("can flatter" in w for w in warnings)

    def test_runs_with_a_metric_that_is_not_finite(self) -> None:
        curves = synthetic_curves()
        curves.loc[(curves["run_id"] == "digits-logistic-badge-0") & (curves["round"] == 5), "accuracy"] = np.nan
        assert any("accuracy is not finite in round 5" in w for w in only(curves).warnings)

    def test_a_strategy_without_a_valid_run_keeps_its_row(self) -> None:
        curves = synthetic_curves()
        curves.loc[curves["strategy"] == "badge", "complete"] = False
        setting = only(curves)
        assert cell(setting, "badge", "seeds") == 0
        assert cell(setting, "badge", "rank") is None and cell(setting, "badge", "aubc") is None
        assert setting.table.rows[-1][1] == "badge"
        assert "badge has no valid run" in setting.warnings
        assert "badge" not in setting.tests.names
        assert all(of.of == 5 for row in setting.table.rows if isinstance(of := row[0], RankRange))


class TestWarnings:
    def test_few_seeds(self) -> None:
        setting = only(synthetic_curves(seeds=[0, 1]))
        assert sum("2 seed(s): too few" in warning for warning in setting.warnings) == len(STRATEGIES)

    def test_one_seed_ranks_nothing(self) -> None:
        setting = only(synthetic_curves(seeds=[7]))
        assert len(setting.leaders) == len(STRATEGIES) and setting.beats_baseline == ()
        gain = cell(setting, "margin", "gain")
        assert isinstance(gain, Estimate) and math.isnan(gain.low)

    def test_missing_baseline(self) -> None:
        setting = only(synthetic_curves(), baseline="uniform")
        assert setting.gains == () and setting.gain_curves == () and setting.beats_baseline == ()
        assert any("baseline uniform has no run here" in warning for warning in setting.warnings)

    def test_baseline_without_a_common_seed(self) -> None:
        curves = synthetic_curves(seeds=range(4))
        odd = curves["seed"] % 2 == 1
        setting = only(curves[odd == (curves["strategy"] == "random")])
        assert setting.gains == ()
        assert any("random lacks the seed(s) 0, 2" in warning for warning in setting.warnings)

    def test_seeds_that_change_nothing(self) -> None:
        curves = tiny({"random": [[0.1, 0.2, 0.3]] * 3, "margin": [[0.1, 0.2, 0.4], [0.1, 0.3, 0.4], [0.1, 0.3, 0.5]]})
        warnings = only(curves, budgets=(10, 20, 40)).warnings
        assert [w for w in warnings if "same curve at every seed" in w] == [
            "random has the same curve at every seed: its seeds are not independent evidence"
        ]

    def test_different_validation_labels(self) -> None:
        curves = synthetic_curves()
        assert only(curves).validation_labels == 100
        curves.loc[curves["strategy"] == "margin", "declared_validation_labels"] = 500
        setting = only(curves)
        assert setting.validation_labels is None
        assert any("(100, 500)" in warning for warning in setting.warnings)

    def test_starts_that_should_be_shared_but_are_not(self) -> None:
        curves = synthetic_curves()
        declared = meta()
        checked = type(declared)(**{**declared.__dict__, "shared_start": True})
        assert build_board(curves, checked).settings[0].warnings == ()
        first = (curves["round"] == 0) & (curves["strategy"] == "badge") & (curves["seed"] == 2)
        curves.loc[first, "accuracy"] += 1e-4
        (warning,) = build_board(curves, checked).settings[0].warnings
        assert "round 0 differs between strategies at the seed(s) 2" in warning
        assert only(curves).warnings == ()


class TestRefused:
    def test_missing_columns(self) -> None:
        with pytest.raises(ValueError, match=r"lack the columns \['spent', 'auroc'\]"):
            build_board(synthetic_curves().drop(columns="spent"), meta(metric="auroc"))

    def test_a_metric_of_text(self) -> None:
        with pytest.raises(ValueError, match="must be numeric"):
            build_board(synthetic_curves().astype({"accuracy": str}), meta())

    def test_two_suites(self) -> None:
        curves = synthetic_curves(seeds=[0])
        with pytest.raises(ValueError, match="a board shows one"):
            build_board(pd.concat([curves, curves.assign(suite="other", run_id=curves["run_id"] + "x")]), meta())

    def test_a_problem_without_a_declared_grid(self) -> None:
        with pytest.raises(ValueError, match=r"no budgets declared for the problems \['digits'\]"):
            build_board(synthetic_curves(), meta(problems=["mnist"]))

    def test_a_grid_that_does_not_increase(self) -> None:
        with pytest.raises(ValueError, match=r"budgets\['digits'\] must be finite and increase"):
            meta(budgets=(10, 10, 20))

    def test_two_runs_for_one_seed(self) -> None:
        curves = synthetic_curves(seeds=[0])
        again = curves[curves["strategy"] == "margin"].assign(run_id="again")
        with pytest.raises(ValueError, match="give strategies that differ different labels"):
            build_board(pd.concat([curves, again]), meta())

    def test_one_run_in_two_places(self) -> None:
        curves = synthetic_curves(seeds=[0])
        curves.loc[(curves["strategy"] == "margin") & (curves["round"] == 3), "seed"] = 1
        with pytest.raises(ValueError, match="more than one"):
            build_board(curves, meta())

    def test_one_round_twice(self) -> None:
        curves = synthetic_curves(seeds=[0])
        with pytest.raises(ValueError, match="more than once"):
            build_board(pd.concat([curves, curves.iloc[[4]]]), meta())


def test_a_board_without_runs_says_so() -> None:
    board = build_board(synthetic_curves().iloc[:0], meta())
    assert board.settings == () and board.notes == ("there are no runs yet",)
