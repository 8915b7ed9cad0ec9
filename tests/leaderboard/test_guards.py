"""Collapses: a metric that improves while its guard falls apart; scores that stand beside the ranking with a caveat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelbench_plus.contracts.scores import Guard
from labelbench_plus.leaderboard import Results, build_board, build_site, read_results, write_results
from labelbench_plus.leaderboard.results import meta_as_json, meta_from_json
from labelbench_plus.leaderboard.shown_scores import shown_scores
from labelbench_plus.leaderboard.text import findings, render

from .declared import SHARE, front_results


@pytest.fixture(scope="module")
def results() -> Results:
    return front_results()


def test_a_collapsed_run_is_called_one(results: Results, tmp_path) -> None:
    board = results.board()
    for setting in board.settings:
        (collapse,) = setting.collapses
        assert (collapse.strategy, collapse.seeds, collapse.of) == ("greedy", 4, 5)
        assert collapse.kept == pytest.approx(0.1 / 0.98) and collapse.gain > 0
        assert setting.warnings[0].startswith("greedy collapses at 4 of 5 seeds: its accuracy is better than the")
        assert any("Read with caution" in said and "greedy" in said for said in findings(setting, "random"))
        keys = [column.key for column in setting.table.columns]
        cells = {row[1]: row[keys.index("collapsed")] for row in setting.table.rows}
        assert cells == {"greedy": "validity at 4 of 5 seeds", "uniform": None, "random": None}
    build_site([results], tmp_path)
    page = (tmp_path / "problem" / "fronts-objectives-mod.html").read_text(encoding="utf-8")
    assert "greedy collapses at 4 of 5 seeds" in page and "greedy collapses" in render(board)


@pytest.mark.parametrize(
    ("change", "collapses"),
    [
        ({}, True),
        ({"validity": 0.5}, False),  # kept
        ({"reference.score": 2.0}, False),  # no better than the reference
        ({"reference.validity": 0.15}, False),  # the reference has as little
        ({"validity": np.nan}, False),  # nobody knows
    ],
)
def test_only_where_one_rises_and_the_other_falls(results: Results, change: dict[str, float], collapses: bool) -> None:
    board = build_board(results.curves.assign(**change), results.meta)
    assert all(bool(setting.collapses) == collapses for setting in board.settings)
    assert all(("collapsed" in {c.key for c in setting.table.columns}) == collapses for setting in board.settings)


def test_errors_rise_by_falling(results: Results) -> None:
    error = replace(results.meta, metric="nll", higher_is_better=False)
    curves = results.curves.assign(nll=1 - results.curves["accuracy"])
    better = build_board(curves.assign(**{"reference.score": 0.9}), error)
    worse = build_board(curves.assign(**{"reference.score": 0.0}), error)
    assert all(setting.collapses for setting in better.settings) and not any(s.collapses for s in worse.settings)


def test_without_a_guard_there_is_no_collapse_and_no_column(results: Results) -> None:
    about = replace(results.meta.problems["objectives"], guards=())
    board = build_board(results.curves, replace(results.meta, problems={"objectives": about}))
    assert not any(setting.collapses for setting in board.settings)


def test_without_a_reference_of_its_own_a_run_is_held_against_the_baseline_at_its_seed(results: Results) -> None:
    about = replace(results.meta.problems["objectives"], guards=(Guard("validity"),))
    meta = replace(results.meta, problems={"objectives": about})
    curves = results.curves
    for setting in build_board(curves, meta).settings:
        (collapse,) = setting.collapses
        assert (collapse.strategy, collapse.of) == ("greedy", 5) and collapse.kept == pytest.approx(0.1 / 0.97)
        beaten = sum(setting.finals["greedy"][seed] > setting.finals["random"][seed] for seed in range(1, 5))
        assert collapse.seeds == beaten > 0
        assert f"its accuracy is better than random’s by {collapse.gain:.3f}" in setting.warnings[0]
        assert "of random’s validity" in setting.warnings[0]
    assert not any(s.collapses for s in build_board(curves.assign(validity=0.1), meta).settings), "all have as little"
    alone = curves[curves["strategy"] != "random"]
    assert not any(s.collapses for s in build_board(alone, meta).settings), "there is nothing to hold them against"
    assert meta_from_json(meta_as_json(meta)).problems == meta.problems


def test_a_guard_names_both_references_or_none() -> None:
    with pytest.raises(ValueError, match="of both, or of neither"):
        Guard("validity", "reference.validity")


def test_shares_of_guards_are_shares() -> None:
    with pytest.raises(ValueError, match="share above 0 and at most 1"):
        Guard("validity", "a", "b", share=1.5)


def test_scores_beside_the_ranking_carry_their_caveat_wherever_they_stand(results: Results, tmp_path) -> None:
    board = results.board()
    table = shown_scores(board.settings[0])
    assert table is not None and [column.key for column in table.columns] == ["strategy", SHARE.name, "validity"]
    finals = results.curves[(results.curves["trainer"] == "mod") & (results.curves["round"] == 2)]
    means = finals.groupby("strategy")[SHARE.name].mean()
    assert {row[0]: row[1].mean for row in table.rows} == pytest.approx(means.to_dict())  # type: ignore[union-attr]
    build_site([results], tmp_path / "site")
    write_results(results, tmp_path / "written")
    said = [
        render(board),
        (tmp_path / "written" / "table.md").read_text(encoding="utf-8"),
        *(path.read_text(encoding="utf-8") for path in (tmp_path / "site" / "problem").iterdir()),
    ]
    for text in said:
        assert (SHARE.name in text or SHARE.name.replace("_", "\\_") in text) and "ignores KL" in text
    assert read_results(tmp_path / "written").meta.problems == results.meta.problems
