"""Series gathered from ordinary scores; problems that know the truth, out of ranks."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.contracts.scores import Series, SeriesColumn
from labelbench_plus.leaderboard import Results, build_board, build_site, read_results, write_results
from labelbench_plus.leaderboard.charts.front import FrontPlane, Spot, front_chart
from labelbench_plus.leaderboard.charts.style import styles
from labelbench_plus.leaderboard.runs import About
from labelbench_plus.leaderboard.series import along_a_line, gather, gather_trainers, without_points
from labelbench_plus.leaderboard.statistics import t_interval
from labelbench_plus.leaderboard.text import render
from labelbench_plus.leaderboard.tracks import gather as gather_tracks

from .declared import FRONT as FULL
from .declared import TRAINERS, front_results
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
        (front,) = gather(setting, number)
        assert front.series == FRONT and front.budget == setting.budgets[number]
        rows = curves[(curves["strategy"] == "badge") & (curves["round"] == number % len(setting.budgets))]
        assert front.lines["badge"]["kl"] == tuple(
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
    (front,) = gather(setting)
    assert [point.n for point in front.lines["badge"]["J"]] == [4, 2]
    assert front.lines["random"]["J"][1] is None and front.lines["random"]["J"][0].n == 5
    assert front.lines["badge"]["kl"][0] is None and front.lines["badge"]["kl"][1].n == 4


def test_who_has_no_point_has_no_line_and_where_nobody_has_one_there_is_no_series(curves):
    names = [name for name in FRONT.scores() if name in curves.columns]
    curves.loc[curves["strategy"] == "random", names] = np.nan
    (setting,) = build_board(curves, declared(series=(FRONT,))).settings
    (front,) = gather(setting)
    assert "random" not in front.lines and "badge" in front.lines
    (bare,) = build_board(curves.assign(**dict.fromkeys(names, np.nan)), declared(series=(FRONT,))).settings
    assert gather(bare) == ()


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
    assert "This is a bound: the problem reveals what no learner can know, so nothing is ranked." in render(board)
    of_bound, of_plain = gather_tracks([board])
    assert len(of_plain.members) == len(of_bound.members) == 1 and "bound knows the truth" in of_bound.track.name
    build_site([Results(both, boards)], tmp_path)
    said = [page for page in tmp_path.rglob("*.html") if "This is a bound: the problem reveals" in page.read_text()]
    assert said


def test_a_board_has_columns_for_evaluation_where_it_is_known(curves):
    keys = [column.key for column in build_board(curves, meta()).settings[0].table.columns]
    assert "evaluate_seconds" not in keys and "train_seconds" in keys
    metered = curves.assign(evaluate_seconds=0.5, evaluate_peak_bytes=1e6)
    (setting,) = build_board(metered, meta()).settings
    row = dict(zip([column.key for column in setting.table.columns], setting.table.rows[0], strict=True))
    assert row["evaluate_seconds"] == pytest.approx(5.0) and row["evaluate_peak_bytes"] == 1e6


def test_trainers_stand_beside_each_other_with_the_baseline_and_what_is_given():
    results = front_results()
    board = results.board()
    (front,) = gather_trainers(board.settings, "random")
    assert list(front.lines) == sorted(TRAINERS) and set(front.given) == {"reference", "best"}
    rows = results.curves[
        (results.curves["trainer"] == "soup")
        & (results.curves["strategy"] == "random")
        & (results.curves["round"] == 2)
    ]
    assert front.lines["soup"]["kl"][1] == t_interval(rows[FULL.score("kl", "0.25")].tolist())
    best = front.given["best"]["helpful"]
    assert [point.n for point in best] == [5] * 5 and best[-1].mean == pytest.approx(2.1)
    assert gather_trainers(board.settings[:1], "random") == () == gather_trainers(board.settings, "nobody")


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_gaps_whatever_is_missing_and_in_whatever_order(seed):
    results, rng = front_results(seeds=3), np.random.default_rng(seed)
    curves = results.curves.copy()
    names = [FULL.score(column.name, at) for column in FULL.columns for at in FULL.at]
    for name in names:
        curves.loc[rng.random(len(curves)) < 0.6, name] = np.nan
    curves = curves.drop(columns=list(rng.choice(names, 3, replace=False)))
    (setting, *_) = build_board(curves, results.meta).settings
    (front,) = gather(setting)
    for strategy, points in front.lines.items():
        rows = curves[
            (curves["trainer"] == setting.trainer) & (curves["strategy"] == strategy) & (curves["round"] == 2)
        ]
        for column, estimates in points.items():
            for at, estimate in zip(FULL.at, estimates, strict=True):
                name = FULL.score(column, at)
                known = rows.sort_values("seed")[name].dropna().tolist() if name in rows else []
                assert estimate == (t_interval(known) if known else None)
    listed = {(row[0], row[1]): row[2:-1] for row in front.table().rows}
    assert set(front.given["best"]) == {"helpful", "harmless", "kl"}
    assert all(any(cell is not None for cell in cells) for cells in listed.values())
    (again, *_) = build_board(curves.sample(frac=1, random_state=seed), results.meta).settings
    assert gather(again) == (front,)


def test_every_point_is_drawn_dominated_and_duplicate_ones_too():
    def line(ys):
        return [Spot(str(i), float(i), y, (math.nan, math.nan), (y - 1, y + 1)) for i, y in enumerate(ys)]

    lines = {"a": line([3.0, 3.0, math.nan, 1.0]), "dominated": line([0.0, 0.0, 0.0, 0.0])}
    drawn = styles(list(lines), "")
    svg = front_chart(lines, FrontPlane("x", "y", joined=True), drawn, ["a"], "what it shows", 580)
    marks = dict(zip(lines, (svg.count(drawn[name].marker[2]) for name in lines), strict=True))
    assert marks == {"a": 3, "dominated": 4}
    strokes = re.findall(r'class="line c\d" d="([^"]*)"', svg)
    assert sorted(stroke.count("M") for stroke in strokes) == [1, 2]  # the gap interrupts its line
    assert "nan" not in svg
    empty = front_chart({"a": line([math.nan])}, FrontPlane("x", "y", joined=False), drawn, [], "nothing", 360)
    assert "nan" not in empty


def test_pages_text_and_files_say_it(tmp_path):
    results = front_results()
    build_site([results], tmp_path)
    page = (tmp_path / "problem" / "fronts-objectives-mod.html").read_text(encoding="utf-8")
    for said in (
        "front, one line per strategy",
        "front, one line per trainer, with Random",
        "best that can be reached",
        "Points of one line in the order of “",
        "kl",
    ):
        assert said in page
    assert page.count("The same at 2 earlier budgets") == 2
    listed = pd.read_csv(tmp_path / "data" / "series.csv")
    assert len(listed) == 3 * 3 * 5 * (3 * 4 + 2 * 3)  # trainers, budgets, weights, columns of strategies and givens
    assert set(listed["given"].dropna()) == {"reference", "best"}
    assert "front, one line per trainer, with random" in render(results.board())
    assert "one line per trainer" in results.tables()["table.md"].decode()


def test_what_a_series_may_be_called_and_be_given():
    with pytest.raises(ValueError, match="given are reference and best"):
        replace(FRONT, given=("worst",))
    with pytest.raises(ValueError, match="expected text without '@' and ':'"):
        Series("front", "weight", ("0",), (SeriesColumn("best:J", True),))
    assert (
        FRONT.score("J", "0.5", "best") == "front.best:J@0.5" and FRONT.score("J", "0.5", "best") not in FRONT.scores()
    )
    assert len(FULL.scores()) == (4 + 3 + 3) * 5 and without_points(FULL.scores()) == []


@pytest.mark.parametrize(
    ("at", "places"),
    [
        (("0", "0.5", "1"), (0.0, 0.5, 1.0)),
        (("0:1", "0.25:0.75", "1:0"), (0.0, 0.25, 1.0)),
        (("2:0:1", "2:1:0"), (0.0, 1.0)),
        (("0:0:1", "0:1:0", "1:0:0"), None),
        (("0.5:0.5",), (0.5,)),
        (("easy", "hard"), None),
        (("0:1", "1"), None),
        (("nan", "1"), None),
    ],
)
def test_points_are_joined_where_they_lie_on_a_line(at, places):
    assert along_a_line(at) == places
