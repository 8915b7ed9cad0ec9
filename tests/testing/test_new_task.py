"""A stranger's family is checked whole, on the example that its own problem declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelbench_plus.plugins import load_plugin_file, registry
from labelbench_plus.testing import check_problem, check_strategy, check_trainer
from labelbench_plus.testing.toy_problem import examples

FILE = Path(__file__).parent / "new_task.py"
MINE = {"problems": "new_slopes", "trainers": "new_ridge", "strategies": "new_deepest"}


@pytest.fixture(autouse=True, scope="module")
def loaded():
    load_plugin_file(FILE)
    yield
    for kind, name in MINE.items():
        del registry(kind)._local[name], registry(kind)._classes[name]


def skipped(report) -> set[str]:
    return {outcome.id for outcome in report.outcomes if outcome.status == "skipped"}


def test_its_trainer_is_checked_on_its_problem():
    report = check_trainer("new_ridge")
    assert report.passed, str(report)
    of_other_tasks = {"missing_classes", "two_classes", "constant", "constant_labels", "learns"}
    assert skipped(report) == {*of_other_tasks, "continues"}
    assert "predictions" in report["provides"].detail


def test_its_problem_is_checked_whole():
    report = check_problem("new_slopes")
    assert report.passed, str(report)
    assert skipped(report) == {"annotator"}  # it asks nobody
    assert (
        report["capabilities"].detail
        == "depth, features, labelled_features; of a model: predictions, labelled_predictions"
    )


def test_a_strategy_that_needs_what_it_alone_offers_plays_on_it():
    report = check_strategy("new_deepest", quick=True)
    assert report.passed, str(report)
    for check in ("answers", "accepted", "capabilities", "repeatable", "rounds", "independent_runs"):
        assert report[check].status == "passed"
    assert "reads depth" in report["ties"].detail


def test_without_an_example_it_says_so():
    cls = registry("problems").load("new_slopes")
    assert [problem.name for problem in examples(task="new_slopes")] == ["new_slopes"]
    own = cls.__dict__["example"]
    cls.example = classmethod(lambda cls: None)
    try:
        report = check_trainer("new_ridge")
    finally:
        cls.example = own
    assert report["fits"].status == "skipped"
    assert "no registered problem of 'new_slopes' has an example" in report["fits"].detail
