"""Series gathered from ordinary scores; problems that know the truth, out of ranks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from labelbench_plus.contracts.scores import Series, SeriesColumn
from labelbench_plus.leaderboard import Results, build_board, build_site, read_results, write_results
from labelbench_plus.leaderboard.runs import About
from labelbench_plus.leaderboard.series import gather, without_points
from labelbench_plus.leaderboard.statistics import t_interval
from labelbench_plus.leaderboard.text import render
from labelbench_plus.leaderboard.tracks import gather as gather_tracks

from .synthetic import meta, synthetic_curves

FRONT = Series(
    "front", "weight", ("0", "0.5"), (SeriesColumn("J", True), SeriesColumn("kl", False)), chart=("weight", "J")
)


def declared(**changes):
    about = About("objectives", "bits", "table", {"world": "table"}, **changes)
    return replace(meta(), problems={"digits": about})


@pytest.fixture
def curves():
    found = synthetic_curves(strategies={"random": 0.0, "badge": 0.02})
    for column, factor in (("J", 1.0), ("kl", 2.0)):
        for at in FRONT.at:
            found[FRONT.score(column, at)] = factor * found["accuracy"] + float(at)
    return found


def test_points_are_means_over_seeds_at_the_last_budget_and_at_each(curves):
    (setting,) = build_board(curves, declared(series=(FRONT,))).settings
    for number in (-1, 3):
        (front,) = gather(curves, setting, number)
        assert front.series == FRONT and front.budget == setting.budgets[number]
        rows = curves[(curves["strategy"] == "badge") & (curves["round"] == number % len(setting.budgets))]
        assert front.points["badge"]["kl"] == tuple(
            t_interval((2 * rows["accuracy"] + float(at)).tolist()) for at in FRONT.at
        )


def test_seeds_that_are_missing_leave_gaps(curves):
    name = FRONT.score("J", "0.5")
    curves.loc[(curves["strategy"] == "badge") & (curves["seed"] < 2), name] = np.nan
    curves.loc[curves["strategy"] == "random", name] = np.nan
    del curves[FRONT.score("kl", "0")]
    incomplete = (curves["strategy"] == "badge") & (curves["seed"] == 4)
    curves.loc[incomplete, "complete"] = False  # a run that may not stand on the board is no part of a mean
    (setting,) = build_board(curves, declared(series=(FRONT,))).settings
    (front,) = gather(curves, setting)
    assert [point.n for point in front.points["badge"]["J"]] == [4, 2]
    assert front.points["random"]["J"][1] is None and front.points["random"]["J"][0].n == 5
    assert front.points["badge"]["kl"][0] is None and front.points["badge"]["kl"][1].n == 4


def test_points_stand_in_no_menu_of_metrics(curves):
    scores = ["accuracy", "nll", *(FRONT.score("J", at) for at in FRONT.at)]
    assert set(scores) <= set(curves.columns) and without_points(scores) == ["accuracy", "nll"]


def test_what_is_declared_is_read_back_and_what_is_not_leaves_no_trace(curves, tmp_path):
    write_results(Results(curves, declared(series=(FRONT,), knows_truth=True)), tmp_path / "declared")
    assert read_results(tmp_path / "declared").meta.problems["digits"] == declared(
        series=(FRONT,), knows_truth=True
    ).about("digits")
    write_results(Results(curves, declared()), tmp_path / "plain")
    (about,) = json.loads((tmp_path / "plain" / "board.json").read_bytes())["problems"].values()
    assert set(about) == {"task", "unit", "dataset", "facets"}  # as in boards that are published


def test_a_problem_that_knows_the_truth_is_a_bound(curves, tmp_path):
    told = curves.assign(problem="told", run_id="told " + curves["run_id"])
    about = About("objectives", "bits", "table")
    boards = replace(meta(("digits", "told")), problems={"digits": about, "told": replace(about, knows_truth=True)})
    both = type(curves)(np.concatenate([curves, told]), columns=curves.columns).astype(curves.dtypes)
    board = build_board(both, boards)
    plain, bound = board.settings
    assert plain.leaders and all(row[0] is not None for row in plain.table.rows)
    assert bound.leaders == bound.beats_baseline == () and all(row[0] is None for row in bound.table.rows)
    assert bound.gains  # how far it is from what must learn is what a bound is for
    assert "A bound: the problem shows what no learner can know, so nothing is ranked." in render(board)
    of_bound, of_plain = gather_tracks([board])
    assert len(of_plain.members) == len(of_bound.members) == 1 and "bound knows the truth" in of_bound.track.name
    build_site([Results(both, boards)], tmp_path)
    said = [page for page in tmp_path.rglob("*.html") if "A bound: the problem shows" in page.read_text()]
    assert said


def test_a_board_has_columns_for_evaluation_where_it_is_known(curves):
    keys = [column.key for column in build_board(curves, meta()).settings[0].table.columns]
    assert "evaluate_seconds" not in keys and "train_seconds" in keys
    metered = curves.assign(evaluate_seconds=0.5, evaluate_peak_bytes=1e6)
    (setting,) = build_board(metered, meta()).settings
    row = dict(zip([column.key for column in setting.table.columns], setting.table.rows[0], strict=True))
    assert row["evaluate_seconds"] == pytest.approx(5.0) and row["evaluate_peak_bytes"] == 1e6
