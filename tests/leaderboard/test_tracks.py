"""Tracks and comparisons: what shares a table, what is averaged, what may be said over data sets."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pytest

from labelbench_plus.leaderboard import About, Board, BoardMeta, build_board
from labelbench_plus.leaderboard.compare import Comparison, compare_in, compare_over, report, saved_against, verdict
from labelbench_plus.leaderboard.statistics import (
    Estimate,
    RankRange,
    Saving,
    datasets_beaten,
    paired_t_test,
    t_interval,
)
from labelbench_plus.leaderboard.text import conditions
from labelbench_plus.leaderboard.tracks import TrackBoard, gains_by_dataset, gather

from .synthetic import STRATEGIES, meta, synthetic_curves


def board_of(problems: dict[str, About], metric: str = "accuracy", **changes: object) -> Board:
    declared = meta(problems=list(problems), metric=metric, higher_is_better=metric == "accuracy")
    curves = synthetic_curves(problems=list(problems), **changes)  # type: ignore[arg-type]
    return build_board(curves, dataclasses.replace(declared, problems=problems))


def on(dataset: str, unit: str = "labels", task: str = "classification", **facets: str) -> About:
    return About(task, unit, dataset, facets)


def cell(track: TrackBoard, strategy: str, key: str) -> object:
    keys = [column.key for column in track.table.columns]
    return track.table.rows[track.table.names().index(strategy)][keys.index(key)]


def test_a_track_is_what_the_problems_declare() -> None:
    problems = {
        "a": on("one", encoder="clip"),
        "b": on("two", encoder="clip"),
        "c": on("one", encoder="pixels"),
        "d": on("pool", unit="pairs", task="selection"),
        "e": on("pendulum", task="a task nobody has heard of"),
    }
    tracks = gather([board_of(problems, seeds=range(3))])
    assert [track.track.name for track in tracks] == [
        "a task nobody has heard of · up to 1,000 labels · logistic",
        "classification · up to 1,000 labels · encoder clip · logistic",
        "classification · up to 1,000 labels · encoder pixels · logistic",
        "selection · up to 1,000 pairs · logistic",
    ]
    assert [setting.problem for _, setting in tracks[1].members] == ["a", "b"]
    assert tracks[1].datasets == ("one", "two")


def test_metrics_directions_and_budgets_never_share_a_table() -> None:
    problems = {"a": on("one")}
    boards = [board_of(problems), board_of(problems, metric="nll")]
    assert [track.track.metric for track in gather(boards)] == ["accuracy", "nll"]


def test_a_single_setting_keeps_its_ranks_and_order() -> None:
    board = board_of({"a": on("one")}, strategies={"random": 0.0, "good": 0.3, "bad": -0.3}, noise=0.002)
    (track,) = gather([board])
    assert track.table.names() == ["good", "random", "bad"] and cell(track, "good", "rank") == RankRange(1, 1, 3)
    saving = cell(track, "bad", "saving")
    assert isinstance(saving, Saving) and saving.censored
    assert cell(track, "good", "badge") == "self-reported"
    penalty = cell(track, "bad", "penalty")
    assert isinstance(penalty, Estimate) and penalty.mean > 0.9


def test_settings_of_a_data_set_are_averaged_before_anything_else() -> None:
    board = board_of({"a": on("one"), "b": on("one"), "c": on("two")})
    (track,) = gather([board])
    settings = {setting.problem: setting for setting in board.settings}
    gains = {name: s.paired_gains("margin", "random") for name, s in settings.items()}
    found = gains_by_dataset(list(settings.values()), "margin", "random")
    np.testing.assert_allclose(found["one"], (gains["a"] + gains["b"]) / 2)
    np.testing.assert_allclose(found["two"], gains["c"])
    gain = cell(track, "margin", "gain")
    assert isinstance(gain, Estimate) and gain.n == 2
    assert gain.mean == pytest.approx((found["one"].mean() + found["two"].mean()) / 2)
    worst = cell(track, "margin", "worst")
    assert isinstance(worst, Estimate) and worst.mean == pytest.approx(min(g.mean() for g in gains.values()))
    assert cell(track, "margin", "leads") == sum("margin" in s.leaders for s in settings.values())


def test_on_how_many_data_sets_a_strategy_beats_the_baseline_counts_each_once() -> None:
    rng = np.random.default_rng(0)
    gains = {
        name: {f"d{d}": rng.normal(effect * (d < 5) - effect * (d >= 8), 0.01, 10) for d in range(10)}
        for name, effect in {"good": 0.02, "none": 0.0, "some": 0.008}.items()
    }
    found = datasets_beaten(gains)
    for name in gains:  # by hand: Holm's ladder on each data set
        better = worse = 0
        for dataset in gains[name]:
            p = {other: paired_t_test(gains[other][dataset]) for other in gains}
            ladder, highest = sorted(p, key=p.__getitem__), 0.0
            adjusted = {}
            for step, other in enumerate(ladder):
                highest = adjusted[other] = max(highest, min(1.0, (3 - step) * p[other]))
            significant, mean = adjusted[name] <= 0.05, gains[name][dataset].mean()
            better, worse = better + (significant and mean > 0), worse + (significant and mean < 0)
        assert (found[name].better, found[name].worse, found[name].tested) == (better, worse, 10)
    assert found["good"].better == 5 and found["good"].worse == 2 and found["none"].better == 0


def test_settings_of_one_data_set_are_one_win() -> None:
    strategies = {"random": 0.0, "good": 0.3, "bad": -0.3}
    board = board_of({"a": on("one"), "b": on("one"), "c": on("two")}, strategies=strategies, noise=0.002)
    (track,) = gather([board])
    assert (cell(track, "good", "beats"), cell(track, "good", "loses")) == (2, 0)
    assert (cell(track, "bad", "beats"), cell(track, "bad", "loses")) == (0, 2)
    assert cell(track, "random", "beats") is None
    (alone,) = gather([board_of({"a": on("one")})])
    assert "beats" not in [column.key for column in alone.table.columns]


def test_what_cannot_be_tested_is_no_win() -> None:
    found = datasets_beaten({"a": {"one": np.array([0.5])}, "b": {"one": np.array([0.1, 0.2, 0.15])}})
    assert (found["a"].tested, found["a"].better) == (0, 0) and found["b"].tested == 1


class TestUnits:
    """Data sets in grams and in tonnes: their metric cannot be averaged, what they say stands for it can."""

    SIZES: ClassVar = {"a": 1.0, "b": 1000.0}

    def board(self, datasets: dict[str, str], averaged: str = "relative") -> Board:
        curves = synthetic_curves(problems=list(datasets)).assign(relative=lambda c: c["nll"])
        curves["nll"] *= curves["problem"].map(self.SIZES)
        about = {p: About("t", "labels", of, {"scores": "in tons"}, averaged=averaged) for p, of in datasets.items()}
        declared = meta(problems=list(datasets), metric="nll", higher_is_better=False)
        return build_board(curves, dataclasses.replace(declared, problems=about))

    def test_gains_over_data_sets_do_not_depend_on_the_units(self) -> None:
        (track,) = gather([self.board({"a": "one", "b": "two"})])
        (plain,) = gather([board_of({"a": on("one"), "b": on("two")}, metric="nll")])
        for key in ("gain", "worst", "iqm", "improvement"):
            assert cell(track, "margin", key) == cell(plain, "margin", key), key
        assert (track.measure, plain.measure) == ("relative", "nll")
        gain = next(column for column in track.table.columns if column.key == "gain")
        assert gain.about.endswith("in relative, since every data set has its own unit of nll")
        over = compare_over([setting for _, setting in track.members], "margin", "random")
        other = compare_over([setting for _, setting in plain.members], "margin", "random")
        assert over is not None and over == other
        assert f"{over[0].mean:+.4f} in relative (95 %" in report([track], "margin", "random")

    def test_each_setting_and_a_single_data_set_keep_their_own(self) -> None:
        board = self.board({"a": "one", "b": "one"})
        (track,) = gather([board])
        assert track.measure == "nll"
        a, b = (setting.paired_gains("margin", "random").mean() for setting in board.settings)
        gain = cell(track, "margin", "gain")
        assert isinstance(gain, Estimate) and gain.mean == pytest.approx((a + b) / 2)
        assert "scores in tons" in conditions(board.settings[0])

    def test_curves_without_it_or_without_a_number_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"curves lack the columns \['unheard_of'\]"):
            self.board({"a": "one"}, averaged="unheard_of")
        curves = synthetic_curves(problems=["a"]).assign(relative=math.nan)
        about = {"a": About("t", "labels", "one", averaged="relative")}
        (setting,) = build_board(curves, dataclasses.replace(meta(problems=["a"]), problems=about)).settings
        assert setting.n_runs == 0 and "relative is not finite in round 0" in setting.runs.excluded[0]


def test_ranking_over_data_sets_needs_six_of_them() -> None:
    names = [f"p{i}" for i in range(7)]
    five, six = ({name: on(f"d{min(i, sets)}") for i, name in enumerate(names)} for sets in (4, 5))
    assert gather([board_of(five, seeds=range(2))])[0].ranking is None
    ranking = gather([board_of(six, seeds=range(2))])[0].ranking
    assert ranking is not None and ranking.n_datasets == 6 and set(ranking.names) == set(STRATEGIES)


def test_an_error_gives_the_same_gains_turned_around() -> None:
    up, down = board_of({"a": on("one")}), board_of({"a": on("one")}, metric="nll")
    (a,), (b,) = gather([up]), gather([down])
    x, y = cell(a, "margin", "gain"), cell(b, "margin", "gain")
    assert isinstance(x, Estimate) and isinstance(y, Estimate)
    assert y.mean == pytest.approx(2.2 * x.mean)  # nll of the synthetic curves is 2.2 (1 - accuracy)


def test_a_strategy_without_a_valid_run_keeps_its_row() -> None:
    curves = synthetic_curves()
    curves.loc[curves["strategy"] == "badge", "complete"] = False
    (track,) = gather([build_board(curves, meta())])
    assert cell(track, "badge", "seeds") == 0 and "badge" not in track.order


class TestCompare:
    def test_one_setting_by_hand(self) -> None:
        (setting,) = board_of({"a": on("one")}).settings
        found = compare_in(setting, "margin", "k_center_greedy")
        assert found is not None
        d = np.array([setting.areas["margin"][s] - setting.areas["k_center_greedy"][s] for s in range(5)])
        assert found.area.mean == pytest.approx(d.mean()) and found.wins.mean == np.mean(d > 0)
        assert found.p < 0.001
        other = compare_in(setting, "k_center_greedy", "margin")
        assert other is not None and other.area.mean == -found.area.mean and other.p == found.p
        assert "margin is better than k_center_greedy by" in verdict(found, 5, "margin", "k_center_greedy", "accuracy")
        assert "margin is worse" in verdict(other, 5, "margin", "k_center_greedy", "accuracy")
        saved = saved_against(setting, "margin", "k_center_greedy")
        assert saved is not None and saved.value > 0

    def test_what_cannot_be_said_says_how_many_seeds_would(self) -> None:
        (setting,) = board_of({"a": on("one")}).settings
        found = compare_in(setting, "margin", "badge")
        assert found is not None and not found.sure
        said = verdict(found, 853, "margin", "badge", "accuracy")
        assert said.startswith("Not clear: margin − badge is") and "about 853 seeds would show" in said

    def test_one_seed_says_nothing(self) -> None:
        (setting,) = board_of({"a": on("one")}, seeds=[0]).settings
        found = compare_in(setting, "margin", "badge")
        assert found is not None and math.isnan(found.p)
        assert "too little to compare" in verdict(found, 853, "margin", "badge", "accuracy")
        assert compare_in(setting, "margin", "unheard of") is None

    @pytest.mark.parametrize(("seeds", "why"), [(2, "a test takes 3"), (5, "the same at each")])
    def test_equal_differences_say_nothing(self, seeds: int, why: str) -> None:
        gains = [0.1] * seeds
        equal = t_interval(gains)
        found = Comparison("one", equal, equal, paired_t_test(gains), math.nan, t_interval([1.0] * seeds))
        said = verdict(found, math.nan, "random", "margin", "accuracy")
        assert not found.sure
        assert "too little to compare" in said and why in said

    def test_over_data_sets(self) -> None:
        board = board_of({"a": on("one"), "b": on("two")})
        over = compare_over(board.settings, "margin", "random")
        assert over is not None and over[1] == 2
        assert compare_over(board.settings[:1], "margin", "random") is None

    def test_the_report_answers_or_names_what_there_is(self) -> None:
        tracks = gather([board_of({"a": on("one"), "b": on("two")})])
        said = report(tracks, "margin", "k_center_greedy")
        assert said.count("Yes: margin is better") == 2 and "Over 2 data sets: +" in said
        assert "there are: badge, entropy" in report(tracks, "margin", "nobody")


def test_badges_are_of_a_known_kind() -> None:
    with pytest.raises(ValueError, match="unknown badges"):
        BoardMeta("", "accuracy", True, "random", {}, badge="gold")
