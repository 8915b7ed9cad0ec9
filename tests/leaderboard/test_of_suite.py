"""From run folders to a board, by way of the files alone."""

import dataclasses
from pathlib import Path

import pytest

from labelbench_plus.leaderboard import About, read_results
from labelbench_plus.leaderboard.of_suite import publish_suite, results_of_suite, show_suite
from labelbench_plus.leaderboard.results import meta_as_json, meta_from_json
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.tracks import gather
from labelbench_plus.plugins import label, registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.shipped import shipped
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from tests.leaderboard.synthetic import csv_of

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def carried(suite_file, tmp_path):
    """The small suite, with the given changes, carried out; returns the suite and its runs."""

    def carry(*changes, leave_out=0):
        suite = load_suite(suite_file(*changes))
        runs = suite.runs()
        for spec in runs[leave_out:]:
            carry_out(
                Job.of(spec, Where(tmp_path, tmp_path / "cache")),
                lambda rounds: None,
            )
        return suite, runs

    return carry


def test_what_is_missing_is_said_and_the_rest_is_ranked(carried, tmp_path):
    suite, runs = carried(leave_out=1)
    board = show_suite(suite, runs, tmp_path)
    assert "1 of 4 runs have no round yet" in board.text
    assert "margin" in board.text
    assert board.page == tmp_path / "leaderboards" / "small" / "index.html"
    assert "1 of 4 runs have no round yet" in board.page.read_text()


def test_where_no_page_can_be_written_the_board_is_shown_all_the_same(carried, tmp_path):
    suite, runs = carried(leave_out=2)
    (tmp_path / "leaderboards").write_text("somebody else's")
    board = show_suite(suite, runs, tmp_path)
    assert board.ranked and board.page is None and "margin" in board.text
    assert "small cannot be written to: " in board.why_no_page


def test_a_damaged_run_is_named_and_left_out(carried, tmp_path):
    suite, runs = carried()
    (RunStore(tmp_path, runs[3].id).folder / "rounds" / "0001.json").write_bytes(b"{}")
    board = show_suite(suite, runs, tmp_path)
    assert f"left out, its files are damaged: {runs[3].id}" in board.text


def test_a_first_round_chosen_by_hidden_labels_is_declared(carried, tmp_path):
    suite, runs = carried(("budget:", "initial: stratified\nbudget:"))
    assert "chosen by stratified, which uses labels that were not bought" in show_suite(suite, runs, tmp_path).text


def test_a_strategy_that_is_told_the_truth_is_shown_and_not_ranked(carried, tmp_path, monkeypatch):
    suite, runs = carried()
    before = results_of_suite(suite, runs, tmp_path)
    assert before.meta.bounds == ()
    assert b"bounds" not in meta_as_json(before.meta), "boards that are published have none"
    told = registry("problems").load("classification")
    monkeypatch.setattr(told, "provides", frozenset({"features", "truth"}))
    monkeypatch.setattr(registry("strategies").load("margin"), "needs", frozenset({"truth"}))
    after = results_of_suite(suite, runs, tmp_path)
    assert after.meta.bounds == ("margin",)
    assert meta_from_json(meta_as_json(after.meta)) == after.meta
    (fair,), (setting,) = before.board().settings, after.board().settings
    keys = [column.key for column in setting.table.columns]
    rows = {row[keys.index("strategy")]: dict(zip(keys, row, strict=True)) for row in setting.table.rows}
    was = {row[keys.index("strategy")]: dict(zip(keys, row, strict=True)) for row in fair.table.rows}
    assert list(rows) == ["random", "margin"], "bounds come last"
    assert rows["margin"]["rank"] is None and rows["random"]["rank"] is not None
    for cell in ("aubc", "gain", "final", "seeds"):
        assert rows["margin"][cell] == was["margin"][cell]
    assert setting.tests.names == ("random",) and setting.leaders == ("random",)
    assert "margin" in [curve.strategy for curve in setting.curves]
    assert not setting.warnings or "margin" not in " ".join(setting.warnings)
    build_site([after], tmp_path / "site", [])
    pages = [page.read_text() for page in (tmp_path / "site").rglob("*.html")]
    assert all(any(run.id in page for page in pages) for run in runs), "its runs have pages as well"


def test_runs_with_prices_stand_on_the_declared_grid(carried, tmp_path):
    conditions = "encoder: pixels, conditions: [{name: random_prices, highest: 4}]"
    suite, runs = carried(("encoder: pixels", conditions), ("first: 20", "first: 40"))
    spent = [record.spent for record in RunStore(tmp_path, runs[0].id).rounds()]
    assert all(0 <= budget - money < 4 for budget, money in zip((40, 50, 60), spent, strict=True))
    board = show_suite(suite, runs, tmp_path)
    assert "left out" not in board.text
    assert "margin" in board.text


def test_seeds_of_one_run_are_paired_by_their_first_round(carried, tmp_path):
    _, runs = carried()
    first = {(run.seed, run.strategy.name): RunStore(tmp_path, run.id).rounds()[0] for run in runs}
    for seed in (0, 1):
        left, right = first[seed, "random"], first[seed, "margin"]
        assert dataclasses.asdict(left)["scores"] == dataclasses.asdict(right)["scores"]
    assert first[0, "random"].scores != first[1, "random"].scores


def test_what_is_published_can_be_read_without_the_suite(carried, tmp_path):
    suite, runs = carried()
    publish_suite(suite, runs, tmp_path, tmp_path / "published")
    results = read_results(tmp_path / "published")
    about = About("classification", "labels", "digits", {"encoder": "pixels"})
    assert results.meta.about(label(suite.problems[0])) == about
    shown = results_of_suite(suite, runs, tmp_path)
    assert results.meta == shown.meta and csv_of(results) == csv_of(shown)
    assert set(shown.records) == {run.id for run in runs} and results.records == {}
    (track,) = gather([results.board()])
    assert track.track.name == "classification · up to 100 labels · encoder pixels · logistic_regression"


def test_published_boards_are_called_as_their_suites_say():
    boards = {file.parent.name: meta_from_json(file.read_bytes()) for file in RESULTS.glob("*/board.json")}
    suites = {file.stem: load_suite(file) for name, file in shipped("suites").items() if name in boards}
    assert {name: dict(boards[name].titles) for name in suites} == {
        name: suite.titles for name, suite in suites.items()
    }
    called = {(label, title) for suite in suites.values() for label, title in suite.titles.items()}
    assert len({label for label, _ in called}) == len({title for _, title in called}) == len(called) > 100
