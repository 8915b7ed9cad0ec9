"""A method that buys nothing is a run like any other: it commits, stands on a board, and can be submitted."""

import pytest

from labelbench_plus.leaderboard.of_suite import show_suite
from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.suite import Budget, SuiteError, load_suite
from tests.answered import Answered  # noqa: F401 it registers the problem
from tests.submission.bundles import WHO

SUITE = """\
suite: nothing
problems: [answered]
trainers: [by_heart]
strategies: [random]
budget: {budget}
seeds: 0..2
"""


@pytest.fixture
def suite(tmp_path):
    def write(budget):
        path = tmp_path / "suite.yaml"
        path.write_text(SUITE.replace("{budget}", budget))
        return load_suite(path)

    return write


@pytest.mark.parametrize(
    ("budget", "amounts"),
    [
        ({"first": 0, "rounds": 1}, (0.0,)),
        ({"first": 5, "rounds": 1}, (5.0,)),
        ({"first": 5, "batch": 0, "rounds": 1}, (5.0,)),
        ({"first": 0, "batch": 2, "rounds": 3}, (0.0, 2.0, 2.0)),
    ],
)
def test_a_batch_is_named_where_there_are_rounds_for_it(budget, amounts):
    assert Budget(**budget).amounts() == amounts


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("{first: 5, rounds: 2}", "budget: 2 rounds with no batch: name what each round after the first may spend"),
        ("{first: 5, batch: 0, rounds: 3}", "budget: 3 rounds with a batch of 0"),
        ("{first: -1, rounds: 1}", "budget.first: expected at least 0"),
    ],
)
def test_rounds_without_money_are_refused(suite, budget, says):
    with pytest.raises(SuiteError, match=says):
        suite(budget)


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ("{first: 0, rounds: 1}", "0 answers in one round"),
        ("{first: 0, batch: 4, rounds: 3}", "0 to 8 answers in 3 rounds"),
    ],
)
def test_a_run_that_begins_with_nothing_goes_all_the_way(suite, tmp_path, budget, told):
    loaded, out = suite(budget), tmp_path / "out"
    for spec in loaded.runs():
        carry_out(Job.of(spec, Where(out, tmp_path)), lambda rounds: None)
        assert RunStore(out, spec.id).rounds()[0].purchase.as_json() == {
            "items": [],
            "prices": [],
            "answers": [],
            "kind": "text",
        }
    assert show_suite(loaded, loaded.runs(), out).page is not None
    pack(loaded, loaded.runs(), out, tmp_path / "bundle", **WHO, differences=["of the tests"])
    checked = check(tmp_path / "bundle", Place(tmp_path))
    assert not checked.problems
    assert len(checked.sound) == 3
    results = read_results(tmp_path / "bundle")
    (setting,) = results.board().settings
    assert setting.n_runs == 3
    assert told in render(results.board())
    build_site([results], tmp_path / "site")
