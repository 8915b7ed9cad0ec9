"""Comparison along one facet: what is compared with what, over random tables, and what is said of it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from labelbench_plus.leaderboard import Results, build_board, build_site, read_results, write_results
from labelbench_plus.leaderboard.facets import compare_facets, without_argument
from labelbench_plus.leaderboard.formatting import factor
from labelbench_plus.leaderboard.frame import facets_frame
from labelbench_plus.leaderboard.statistics import (
    Fits,
    area_under_budget_curve,
    holm,
    label_saving,
    paired_t_test,
    t_interval,
)
from labelbench_plus.leaderboard.text import render

from .declared import ENCODERS, bare, facet_results, problem_of
from .synthetic import BUDGETS


@pytest.fixture(scope="module")
def results() -> Results:
    return facet_results()


def area(curves: pd.DataFrame, problem: str, strategy: str, seed: int) -> float:
    rows = curves[(curves["problem"] == problem) & (curves["strategy"] == strategy) & (curves["seed"] == seed)]
    return area_under_budget_curve(BUDGETS, rows.sort_values("round")["accuracy"])


def test_gains_are_paired_differences_over_the_reference(results: Results) -> None:
    encoders, views = compare_facets([results.board()])
    assert (encoders.facet, encoders.reference, encoders.declared) == ("encoder", ENCODERS[0], False)
    assert (views.facet, views.reference, views.declared) == ("views", "none", True)
    assert views.roles == {"none": "reference", "repeated": "control", "exact": "bound"}
    assert len(encoders.gains) == 2 * 3 and len(views.gains) == 3 * 3
    for gain in encoders.gains:
        d = [
            area(results.curves, problem_of(gain.value), gain.strategy, seed)
            - area(results.curves, problem_of(ENCODERS[0]), gain.strategy, seed)
            for seed in range(6)
        ]
        assert gain.area.mean == pytest.approx(np.mean(d)) and gain.seeds == pytest.approx(d)
        assert (gain.area.low, gain.area.n) == (pytest.approx(t_interval(d).low), 6)
        assert gain.p == pytest.approx(paired_t_test(d)) and len(gain.points) == len(BUDGETS)
    for one in (encoders, views):  # the family is the table: all of its strategies and values
        assert [gain.adjusted for gain in one.gains] == pytest.approx(holm([gain.p for gain in one.gains]))


def test_the_label_factor_is_the_saving_told_the_other_way(results: Results) -> None:
    _, views = compare_facets([results.board()])
    for gain in views.gains:
        ours, theirs = (
            results.curves[(results.curves["problem"] == problem) & (results.curves["strategy"] == gain.strategy)]
            .pivot(index="seed", columns="round", values="accuracy")
            .to_numpy()
            for problem in (problem_of("per_view", gain.value), problem_of("per_view", "none"))
        )
        level = 0.95 * theirs[:, -1].mean()
        expected = label_saving(Fits(BUDGETS, ours, True), Fits(BUDGETS, theirs, True), level)
        assert expected and gain.labels and gain.labels.needed == pytest.approx(expected.needed)
        times = expected.needed_by_baseline / expected.needed
        assert factor(gain.labels).startswith(f"{times:.1f} ×")


def test_the_order_of_rows_and_boards_changes_nothing(results: Results) -> None:
    shuffled = results.curves.sample(frac=1, random_state=3)
    one = facets_frame(compare_facets([results.board()]))
    pd.testing.assert_frame_equal(one, facets_frame(compare_facets([build_board(shuffled, results.meta)])))
    parts = []  # each problem as a board of its own: what is compared need not come from one suite
    for problem, rows in results.curves.groupby("problem"):
        meta = replace(
            results.meta,
            budgets={problem: results.meta.budgets[problem]},
            problems={problem: results.meta.problems[problem]},
        )
        parts.append(build_board(rows.assign(suite=f"suite {len(parts)}"), meta))
    pd.testing.assert_frame_equal(one, facets_frame(compare_facets(parts[::-1])))


def test_nothing_else_may_differ(results: Results) -> None:
    assert compare_facets([build_board(results.curves, bare(results))]) == ()
    (first, second), meta = map(problem_of, ENCODERS[:2]), results.meta
    curves = results.curves[results.curves["problem"].isin([first, second])]
    for changed in (
        {"budgets": {**meta.budgets, second: (*BUDGETS[:-1], 201.0)}, "slack": {second: 2.0}},
        {"problems": {**meta.problems, second: replace(meta.problems[second], dataset="letters")}},
        {"problems": {**meta.problems, second: replace(meta.problems[second], task="another")}},
        {"problems": {**meta.problems, second: replace(meta.problems[second], facets={"encoder": "pixels", "x": "1"})}},
    ):
        assert compare_facets([build_board(curves, replace(meta, **changed))]) == ()
    assert len(compare_facets([build_board(curves, meta)])) == 1
    harder = second.replace("subset(size=200)", "long_tail(ratio=50.0)")
    moved = replace(
        meta,
        budgets={**meta.budgets, harder: BUDGETS},
        problems={**meta.problems, harder: meta.problems[second]},
    )
    assert compare_facets([build_board(curves.replace({"problem": {second: harder}}), moved)]) == ()


@pytest.mark.parametrize(
    ("label", "facet", "value", "rest"),
    [
        ("classification(digits, pixels)", "encoder", "pixels", "classification(digits)"),
        (
            "classification(digits, pca(dimensions=5), x=1)",
            "encoder",
            "pca(dimensions=5)",
            "classification(digits, x=1)",
        ),
        ("p(with_views(scenes, exact), e)", "views", "exact", "p(with_views(scenes), e)"),
        ("p(template=chat, x=1)", "template", "chat", "p(x=1)"),
        ("p(template=chat)", "other", "chat", "p(template=chat)"),
        ("regression(diabetes, resplit=True)", "encoder", "identity", "regression(diabetes, resplit=True)"),
        ("regression(diabetes, pca, resplit=True)", "encoder", "pca", "regression(diabetes, resplit=True)"),
        ("p(pixels)", "encoder", "pixels", "p"),
        ("p(pixels, q(pixels))", "encoder", "pixels", None),
        ("p)((, ])", "encoder", "pixels", "p)((, ])"),
    ],
)
def test_the_hyperparameter_of_a_facet_is_taken_out(label: str, facet: str, value: str, rest: str | None) -> None:
    assert without_argument(label, facet, value) == rest


def test_missing_seeds_and_strategies_are_left_out_of_pairs(results: Results) -> None:
    curves, other = results.curves, problem_of(ENCODERS[2])
    here = curves["problem"] == other
    curves = curves[~(here & (curves["strategy"] == "margin") & (curves["seed"] < 2))]
    curves = curves[~((curves["problem"] == problem_of(ENCODERS[0])) & (curves["strategy"] == "badge"))]
    encoders, _ = compare_facets([build_board(curves, results.meta)])
    counts = {(gain.value, gain.strategy): gain.area.n for gain in encoders.gains}
    assert counts == {
        (ENCODERS[1], "random"): 6,
        (ENCODERS[1], "margin"): 6,
        (ENCODERS[2], "random"): 6,
        (ENCODERS[2], "margin"): 4,
    }


@pytest.mark.parametrize("seed", range(4))
def test_what_findings_say_is_true_of_the_table(seed: int) -> None:
    made, rng = facet_results(seeds=4), np.random.default_rng(seed)
    noisy = made.curves.assign(accuracy=made.curves["accuracy"] + rng.normal(0, 0.1, len(made.curves)))
    for one in compare_facets([build_board(noisy, made.meta)]):
        for value, sentence in zip(one.values[1:], one.findings(), strict=True):
            rows = [gain for gain in one.gains if gain.value == value]
            better = [gain for gain in rows if gain.adjusted <= 0.05 and gain.area.mean > 0]
            worse = [gain for gain in rows if gain.adjusted <= 0.05 and gain.area.mean < 0]
            assert (f"better than {one.reference} with {len(better)} of {len(rows)}" in sentence) == bool(better)
            assert (f"worse than {one.reference} with {len(worse)} of {len(rows)}" in sentence) == bool(worse)
            assert ("not significantly different" in sentence) == (not better and not worse)


def test_errors_gain_by_falling(results: Results) -> None:
    error = replace(results.meta, higher_is_better=False, metric="nll")
    for one in compare_facets([build_board(results.curves.assign(nll=1 - results.curves["accuracy"]), error)]):
        same = {(g.value, g.strategy): g for each in compare_facets([results.board()]) for g in each.gains}
        assert all(g.area.mean == pytest.approx(same[g.value, g.strategy].area.mean) for g in one.gains)


def test_pages_text_and_files_say_it(results: Results, tmp_path) -> None:
    build_site([results], tmp_path)
    page = (tmp_path / "facets.html").read_text(encoding="utf-8")
    assert "exact (bound)" in page and "repeated (control)" in page and "label factor" in page
    assert 'href="facets.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all("facets.html#facet-" in path.read_text(encoding="utf-8") for path in (tmp_path / "problem").iterdir())
    listed = pd.read_csv(tmp_path / "data" / "facets.csv")
    assert len(listed) == (6 + 9) * (len(BUDGETS) + 1) and set(listed["facet"]) == {"encoder", "views"}
    assert "views: classification(with_views(scenes)" in render(results.board())
    build_site([Results(results.curves, bare(results))], tmp_path)
    assert not (tmp_path / "facets.html").exists() and not (tmp_path / "data" / "facets.csv").exists()


def test_roles_are_read_back(results: Results, tmp_path) -> None:
    write_results(results, tmp_path)
    assert read_results(tmp_path).meta.problems == results.meta.problems
    kept = json.loads((tmp_path / "board.json").read_bytes())["problems"]
    assert kept[problem_of("per_view", "none")]["facet_roles"] == {"views": "reference"}
    assert "facet_roles" not in kept[problem_of("pixels")]
    assert "views: " in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert len(pd.read_csv(io.BytesIO((tmp_path / "table.csv").read_bytes()))) == 7 * 3
