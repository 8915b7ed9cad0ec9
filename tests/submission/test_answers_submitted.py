"""Runs whose answers are of any kind are packed, checked, read by the board, and found out when they are doctored."""

import json

import pytest

from labelbench_plus.leaderboard.results import read_results
from labelbench_plus.problems import Place
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.submission.replay import replay
from labelbench_plus.submission.sample import Sample
from labelbench_plus.suite import load_suite
from tests.answered import MADE, Paid
from tests.submission.bundles import WHO, chained, lines_of, write_lines

SUITE = """\
suite: answers
problems: [{{name: answered, form: "{form}", silent: {silent}, terms: {terms}}}]
trainers: [by_heart]
strategies: [random]
budget: {{first: {first}, batch: {batch}, rounds: {rounds}}}
seeds: [0]
"""


@pytest.fixture
def bundle(tmp_path):
    """Carry out a run and pack it."""

    def make(form="text", silent=0, terms="fixed", first=8.0, batch=6.0, rounds=3):
        path = tmp_path / "answers.yaml"
        path.write_text(SUITE.format(form=form, silent=silent, terms=terms, first=first, batch=batch, rounds=rounds))
        suite = load_suite(path)
        for spec in suite.runs():
            carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path)), lambda rounds: None)
        pack(suite, suite.runs(), tmp_path / "out", tmp_path / "bundle", **WHO, differences=["of the tests"])
        return tmp_path / "bundle"

    return make


def doctored(folder, change):
    lines = lines_of(folder)
    for line in lines:
        change(line["rounds"])
        chained(line)
    write_lines(folder, lines)


def told(folder, place) -> list[str]:
    return [str(problem) for problem in check(folder, place).problems]


@pytest.mark.parametrize("silent", [0, 4], ids=["all answered", "some without answer"])
@pytest.mark.parametrize("form", MADE)
def test_answers_of_any_kind_can_be_submitted(bundle, tmp_path, form, silent):
    folder, place = bundle(form, silent), Place(tmp_path)
    checked = check(folder, place)
    assert not checked.problems and not checked.warnings
    assert len(checked.sound) == 1
    assert read_results(folder).board().settings[0].n_runs == 1
    ((run, _),) = checked.specs.items()
    again = replay(checked.runs, checked.specs, Sample(((run, 1),), ((run, 2),), (run,)), place)
    assert not again.findings and again.rerun.keys() == again.replayed.keys() == {run}

    def other_answers(rounds):
        answers = rounds[1]["purchase"]["answers"]
        place = next(k for k, answer in enumerate(answers) if answer is not None)
        swap = next(k for k, answer in enumerate(answers) if answer not in (None, answers[place]))
        answers[place] = answers[swap]

    doctored(folder, other_answers)
    assert any("answers are not the oracle's, for 1 of 6 items" in line for line in told(folder, place))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda bought: bought.update(kind="smell"), "purchase.kind: expected a text of the form"),
        (lambda bought: bought.update(kind="score"), "answers: cannot be read"),
        (lambda bought: bought.update(dtype="float32"), "answers: cannot be read"),
        (lambda bought: bought["answers"].__setitem__(0, 3), "answers: cannot be read"),
        (lambda bought: bought["answers"].__setitem__(0, None), "answers are not the oracle's, for 1 of 6 items"),
        (lambda bought: bought.update(asked=["only one"]), "purchase.asked: not one for each item (expected 6, got 1)"),
        (lambda bought: bought.update(smell=[1]), "purchase.smell: unknown field"),
        (lambda bought: bought["prices"].__setitem__(0, 0.0), "items came for nothing"),
    ],
)
def test_forms_of_ones_own_are_refused(bundle, tmp_path, change, says):
    folder = bundle()
    doctored(folder, lambda rounds: change(rounds[1]["purchase"]))
    problems = told(folder, Place(tmp_path))
    assert [line for line in problems if says in line], problems


def test_what_is_charged_in_the_end_may_be_less_than_what_might_have_been(bundle, tmp_path):
    folder = bundle(terms="settled", first=16.0, batch=12.0)
    (line,) = lines_of(folder)
    spent = [record["spent"] for record in line["rounds"]]
    assert {price for record in line["rounds"] for price in record["purchase"]["prices"]} == {0.0, 1.5}
    assert spent[0] < 16 and spent[1] < 28
    assert len(line["rounds"][1]["purchase"]["items"]) > 6  # what was not charged can be spent
    checked = check(folder, Place(tmp_path))
    assert not checked.problems and len(checked.sound) == 1
    assert list(json.loads((folder / "board.json").read_bytes())["slack"].values()) == [40.0]
    (setting,) = read_results(folder).board().settings
    assert setting.n_runs == 1 and setting.unit == "units of budget"
    doctored(folder, lambda rounds: rounds[0]["purchase"]["prices"].__setitem__(0, 2.0))
    assert any("prices are not the oracle's" in line for line in told(folder, Place(tmp_path)))


def test_items_may_be_bought_again_where_the_problem_puts_them_back(bundle, tmp_path):
    folder = bundle(terms="again", first=40.0, batch=30.0, rounds=2)
    (line,) = lines_of(folder)
    first, second = (set(record["purchase"]["items"]) for record in line["rounds"])
    assert first & second and all(item % 2 == 0 for item in first & second)
    assert not told(folder, Place(tmp_path))

    def once_too_often(rounds):
        odd = next(item for item in rounds[0]["purchase"]["items"] if item % 2)
        rounds[1]["purchase"]["items"][0] = odd

    doctored(folder, once_too_often)
    assert any("items were bought in an earlier round" in line for line in told(folder, Place(tmp_path)))


def test_nobody_is_paid_for_a_check_or_a_replay(bundle, tmp_path):
    folder, place = bundle(terms="paid"), Place(tmp_path)
    asked = Paid.asked
    assert asked == 20
    checked = check(folder, place)
    assert not checked.problems
    assert [finding.what for finding in checked.warnings] == [
        "somebody is paid for its answers, so they were not asked for again"
    ]
    assert not checked.sound
    ((run, _),) = checked.specs.items()
    again = replay(checked.runs, checked.specs, Sample(((run, 1),), ((run, 2),), (run,)), place)
    assert again.replayed.keys() == {run} and not again.rerun
    assert [finding.what for finding in again.findings] == [
        "is not run again, as somebody would be paid for its answers"
    ]
    assert Paid.asked == asked
