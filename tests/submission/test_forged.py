"""Forgeries whose tracks are covered in every file: what the check sees, what a replay sees, and what neither can."""

import contextlib
import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.badges import read_badges
from labelbench_plus.leaderboard.results import ResultsError
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.check import check
from labelbench_plus.submission.replay import replay
from labelbench_plus.submission.sample import draw, least_found
from labelbench_plus.submission.shift import FEWEST, Difference, check_shift
from tests.submission.bundles import forged, lines_of, retold, write_lines

TEST = 500  # digits are tested on so many
STEP = 4 / TEST  # below the tolerance, and a whole number of test items


def strategy(line):
    return line["config"]["strategy"]["name"]


def is_it(line, name, seed=None):
    return strategy(line) == name and seed in (None, line["config"]["seed"])


def moved(line, number, by):
    scores = line["rounds"][number]["scores"]
    scores["accuracy"] = round(scores["accuracy"] * TEST + by * TEST) / TEST


def elsewhere(line):
    line["manifest"]["cpu"] = "another machine"


def all_alike(line):
    """The issue's own: lower the baseline and raise the rest in every round."""
    elsewhere(line)
    for number in range(len(line["rounds"])):
        moved(line, number, -STEP if strategy(line) == "random" else STEP)


def own_alone(line):
    elsewhere(line)
    if strategy(line) == "margin":
        for number in range(len(line["rounds"])):
            moved(line, number, STEP)


def baseline_alone(line):
    elsewhere(line)
    if strategy(line) == "random":
        for number in range(len(line["rounds"])):
            moved(line, number, -STEP)


def late_rounds(line):
    elsewhere(line)
    for number in (2, 3):
        moved(line, number, -STEP if strategy(line) == "random" else STEP)


def by_chance(line):
    """Other amounts in other rounds, and some of them against the forger."""
    elsewhere(line)
    rng = np.random.default_rng(int(line["run"], 16))
    for number in range(len(line["rounds"])):
        by = rng.choice([-2, 0, 3, 4, 4, 4]) / TEST
        moved(line, number, -by if strategy(line) == "random" else by)


@pytest.fixture
def place(larger):
    from labelbench_plus.problems import Place

    return Place(larger / "cache")


@pytest.mark.parametrize("forgery", [all_alike, own_alone, baseline_alone, late_rounds, by_chance])
def test_what_stays_within_the_tolerance_but_has_a_direction_is_found(large, place, forgery):
    forged(large, forgery)
    checked = check(large, place)
    assert not checked.problems and len(checked.sound) == 12  # nothing contradicts anything
    every = draw(checked.specs, 48, 0, np.random.default_rng(0))
    done = replay(checked.runs, checked.specs, every, place, baseline="random")
    problems = [str(finding) for finding in done.findings if not finding.warning]
    assert problems and all("in favour of who submits" in problem for problem in problems), problems


def test_such_a_forgery_earns_no_badge(large):
    forged(large, all_alike)
    command = ["submission", "replay", str(large), "--cells", "24", "--record"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1, done.output
    assert "all strategies together: differs from what comes out again in favour of who submits" in done.stderr
    assert read_badges(large) == {}


def test_differences_against_the_forger_or_without_direction_accuse_nobody(large, place):
    def of_either_sign(line):
        elsewhere(line)
        rng = np.random.default_rng(line["config"]["seed"])
        for number in range(len(line["rounds"])):
            moved(line, number, rng.choice([-1, 1]) / TEST)

    forged(large, of_either_sign)
    checked = check(large, place)
    done = replay(checked.runs, checked.specs, draw(checked.specs, 48, 0, np.random.default_rng(0)), place)
    assert not done.findings and len(done.replayed) == 12


@pytest.mark.slow
def test_the_honest_are_accused_as_rarely_as_is_said():
    rng = np.random.default_rng(0)
    accused = 0
    for _ in range(400):
        honest = [
            Difference(f"{group}{seed}", number, group, rng.normal(scale=0.003))
            for group in ("a", "b", "random")
            for seed in range(3)
            for number in range(4)
        ]
        accused += any(True for _ in check_shift(honest))
    assert accused <= 10  # of 400, at a bound of one in a hundred: 4 are expected at most


def test_no_fewer_cells_could_show_a_direction():
    def alike(count):
        return [Difference("run", number, "margin", 0.009) for number in range(count)]

    assert list(check_shift(alike(FEWEST))) and not list(check_shift(alike(FEWEST - 1)))
    assert not list(check_shift([replace(each, favour=1e-9) for each in alike(100)]))  # too little to gain anything


@pytest.mark.parametrize(("drawn", "of", "share"), [(0, 40, 1.0), (40, 40, 1 / 40), (1, 40, 38 / 40), (20, 40, 5 / 40)])
def test_what_a_sample_misses_is_said(drawn, of, share):
    assert least_found(drawn, of) == pytest.approx(share)
    rng, altered = np.random.default_rng(0), round(share * of)
    held = [bool((rng.permutation(of)[:drawn] < altered).any()) for _ in range(2000)]
    assert drawn == 0 or np.mean(held) >= 0.93


def swapped(line_a, line_b):
    for part in ("rounds", "costs"):
        line_a[part], line_b[part] = line_b[part], line_a[part]


def test_strategies_swapped_at_one_seed(large, place):
    lines = lines_of(large)
    swapped(*(next(line for line in lines if is_it(line, name, 2)) for name in ("random", "margin")))
    write_lines(large, lines)
    forged(large, lambda line: None)
    told = [str(problem) for problem in check(large, place).problems]
    assert told and all("not what random buys at this seed, which depends on nothing else" in line for line in told)


def test_strategies_swapped_that_both_look_are_found_when_they_choose_again(large, place):
    lines = lines_of(large)
    swapped(*(next(line for line in lines if is_it(line, name, 2)) for name in ("entropy", "margin")))
    write_lines(large, lines)
    forged(large, elsewhere)
    checked = check(large, place)
    assert not checked.problems  # to know it one must train
    done = replay(checked.runs, checked.specs, draw(checked.specs, 48, 0, np.random.default_rng(1)), place)
    assert not any(not finding.warning for finding in done.findings)
    told = [str(finding) for finding in done.findings if "none of its runs counts as replayed" in str(finding)]
    assert len(told) == 2 and "margin" in told[1]
    badged = {strategy(line) for line in lines_of(large) if line["run"] in done.replayed}
    assert badged == {"random"}


@pytest.mark.parametrize("same", [True, False])
def test_a_reversed_order_of_purchase(large, place, same, monkeypatch):
    def backwards(line):
        for record in line["rounds"][1:]:
            for name in ("items", "answers"):
                record["purchase"][name].reverse()
        elsewhere(line)

    forged(large, lambda line: backwards(line) if is_it(line, "margin", 0) else elsewhere(line))
    checked = check(large, place)
    run = next(line["run"] for line in checked.runs if is_it(line, "margin", 0))
    if same:
        monkeypatch.setattr("labelbench_plus.submission.replay.same_machine", lambda one, other: True)
    done = replay(checked.runs, checked.specs, draw({run: checked.specs[run]}, 4, 0, np.random.default_rng(0)), place)
    found = [finding for finding in done.findings if "in another order" in finding.what]
    assert found and all(finding.warning is not same for finding in found)
    assert not done.replayed
    forged(large, lambda line: backwards(line) if is_it(line, "random", 0) else None)
    assert any("not what random buys at this seed" in str(problem) for problem in check(large, place).problems)


def published(larger, tmp_path):
    """The honest runs as the benchmark's own results, which nobody signed."""
    folder = shutil.copytree(larger / "bundle", tmp_path / "elsewhere" / "published")
    (folder / "submission.json").unlink()
    return folder


def test_a_baseline_lower_than_the_published_one(large, larger, place, tmp_path):
    before = published(larger, tmp_path)
    honest = check(large, place, against=[before])
    assert not honest.problems and not honest.warnings
    forged(large, baseline_alone)
    assert not check(large, place).problems
    shutil.copytree(before, large.parent / "published")
    for against in ([before], []):  # named, or beside it
        told = [str(problem) for problem in check(large, place, against=against).problems]
        says = "differs from the same runs that are published in favour"
        assert any("random" in line and says in line for line in told)


def test_a_baseline_lowered_on_the_very_machine_or_by_much(large, larger, place, tmp_path):
    before = published(larger, tmp_path)
    code = {"commit": "c" * 40, "dirty": None}
    for folder in (large, before):
        forged(folder, lambda line: line["manifest"].update(code=code))
    signed = json.loads((large / "submission.json").read_text())
    (large / "submission.json").write_text(json.dumps({**signed, "code": [code]}))
    assert not check(large, place, against=[before]).problems
    forged(large, lambda line: moved(line, 1, -1 / TEST) if is_it(line, "random", 0) else None)
    told = [str(problem) for problem in check(large, place, against=[before]).problems]
    assert any("not the score of the same run that is published" in line for line in told)
    forged(large, lambda line: (elsewhere(line), moved(line, 1, -0.1) if is_it(line, "random", 1) else None))
    told = [str(problem) for problem in check(large, place, against=[before]).problems]
    assert any("not the score of the same run that is published" in line for line in told)


def test_seeds_that_were_picked(large, place):
    write_lines(large, [line for line in lines_of(large) if line["config"]["seed"] in (0, 3)])
    retold(large)
    (problem,) = check(large, place).problems
    assert problem.field == "notes" and problem.expected == "2 of 4 planned seeds: 0 and 3"
    signed = json.loads((large / "submission.json").read_text())
    signed["planned"]["seeds"] = [0, 3]
    (large / "submission.json").write_text(json.dumps(signed))
    (problem,) = check(large, place).problems
    assert str(problem) == (
        "submission.json: planned.seeds: seeds in between are left out (expected all of 0 to 3, got 0 and 3)"
    )


def test_a_strategy_that_was_left_out(large, place):
    write_lines(large, [line for line in lines_of(large) if strategy(line) != "entropy"])
    retold(large)
    (problem,) = check(large, place).problems
    assert problem.field == "notes" and problem.expected == "2 of 3 planned strategies: random and margin"


def board(**changes):
    def apply(folder):
        path = folder / "board.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        with contextlib.suppress(ResultsError):  # of no form
            retold(folder)

    return apply


def other_data(folder):
    path = folder / "board.json"
    record = json.loads(path.read_text())
    (about,) = record["problems"].values()
    about["dataset"] = "imagenet"
    path.write_text(json.dumps(record))


def prettier(name, old, new):
    def apply(folder):
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return apply


def future(folder):
    lines = lines_of(folder)
    lines[0]["manifest"]["finished_at"] = "2999-01-01T00:00:00"
    write_lines(folder, lines)


def future_number(folder):
    lines = lines_of(folder)
    lines[0]["manifest"]["started"] = 32503680000
    write_lines(folder, lines)


def future_header(folder):
    content = gzip.decompress((folder / ARCHIVE).read_bytes())
    (folder / ARCHIVE).write_bytes(gzip.compress(content, mtime=2**32 - 1))


def earlier(folder):
    forged(folder, lambda line: line["costs"][1].update(train_seconds=-5.0) if is_it(line, "margin", 0) else None)


def rounded_up(folder):
    def change(line):
        if strategy(line) == "margin":
            for record in line["rounds"]:
                record["scores"] = {name: np.ceil(value * 100) / 100 for name, value in record["scores"].items()}

    forged(folder, change)


def rounded_losses(folder):
    def change(line):
        if strategy(line) == "margin":
            for record in line["rounds"]:
                record["scores"]["nll"] = round(record["scores"]["nll"], 3)

    forged(folder, change)


def between_two_items(folder):
    forged(
        folder,
        lambda line: (
            line["rounds"][1]["scores"].update(accuracy=line["rounds"][1]["scores"]["accuracy"] + 0.0099)
            if is_it(line, "margin", 0)
            else None
        ),
    )


CLAIM = "All numbers verified by the maintainers"
DOCTORED = {
    "rounded-up scores": (rounded_up, "all scores of margin have at most 2 decimals: they were rounded"),
    "rounded losses": (rounded_losses, "nll: all scores of margin have at most 3 decimals: they were rounded"),
    "a score that no test set gives": (
        between_two_items,
        "is no share of the test set (expected a whole number of 500 test items",
    ),
    "a date to come": (future, "manifest.finished_at: lies in the future"),
    "a time to come": (future_number, "manifest.started: lies in the future"),
    "an archive of tomorrow": (future_header, "runs.jsonl.gz: the time in its header: lies in the future"),
    "a training that ended before it began": (earlier, "costs.1.train_seconds: cannot be below zero"),
    "another baseline on the board": (board(baseline="margin"), "baseline: not the one that the submission names"),
    "another title": (board(title=CLAIM), f"title: not the name of its suite (expected small, got {CLAIM})"),
    "a note of one's own": (board(notes=[CLAIM]), f"not the notes that its runs give (expected none, got {CLAIM})"),
    "other data": (other_data, "not what its runs' problem declares"),
    "a start that is not shared": (board(shared_start=False), "shared_start: not how its runs begin"),
    "slack for rounds that spent less": (
        board(slack={"classification(digits, pixels)": 100.0}),
        "not what the highest price leaves unspent (expected nothing, got 100.0)",
    ),
    "a word that no board has": (board(verified=True), "not what `lbp publish` writes"),
    "slack of no form": (board(slack=[1]), "title, metric, baseline and badge are texts"),
    "a title of no form": (board(title={"a": 1}), "title, metric, baseline and badge are texts"),
    "a budget for nobody": (
        board(budgets={"classification(digits, pixels)": [20, 30, 40, 50], "imagenet": [1, 2]}),
        "budgets: of problems that no run has (expected classification(digits, pixels), got imagenet)",
    ),
    "a better table": (prettier("table.csv", "random", "chance"), "table.csv: line"),
    "a better table to read": (
        prettier("table.md", "# small", f"# small\n\n{CLAIM}"),
        "table.md: line 3: not what its",
    ),
    "curves of another suite": (prettier("curves.csv", ",small,", ",digits,"), "suite: not the suite it was sent for"),
}


@pytest.mark.parametrize("fault", DOCTORED)
def test_doctored_with_care_and_refused(fault, large, place):
    doctor, message = DOCTORED[fault]
    assert not check(large, place).problems
    doctor(large)
    checked = check(large, place)
    told = [str(problem) for problem in checked.problems]
    assert [line for line in told if message in line], told
    assert not checked.sound
