"""Doctored submissions: each is refused, with the message that names its fault. An honest one is accepted."""

import gzip
import json
import shutil

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.leaderboard.badges import grant
from labelbench_plus.plugins import registry
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.check import check
from tests.submission.bundles import chained, lines_of, named, write_lines


def with_line(change, *, mend=chained, which=0):
    """A doctored bundle: `change` is done to one run, and `mend` covers the tracks."""

    def apply(folder):
        lines = lines_of(folder)
        change(lines[which])
        mend(lines[which])
        write_lines(folder, lines)

    return apply


def with_json(name, change):
    def apply(folder):
        value = json.loads((folder / name).read_text())
        change(value)
        (folder / name).write_text(json.dumps(value))

    return apply


def left_alone(line):
    """Tracks are not covered."""


def purchase(number, **parts):
    def change(line):
        for name, edit in parts.items():
            edit(line["rounds"][number]["purchase"][name])

    return change


def all_of(*names, edit):
    return dict.fromkeys(names, edit)


def score(number, name, value):
    return lambda line: line["rounds"][number]["scores"].update({name: value})


def one_more(line):
    bought = line["rounds"][1]["purchase"]
    taken = {item for record in line["rounds"] for item in record["purchase"]["items"]}
    bought["items"].append(next(item for item in range(1000) if item not in taken))
    bought["prices"].append(1.0)
    bought["answers"].append(0)


def bought_before(line):
    line["rounds"][1]["purchase"]["items"][0] = line["rounds"][0]["purchase"]["items"][0]


def bought_twice(line):
    line["rounds"][2]["purchase"]["items"][0] = line["rounds"][2]["purchase"]["items"][1]


def fewer(line):
    for part in line["rounds"][2]["purchase"].values():
        del part[-1]


def another_start(line):
    record = line["rounds"][0]["purchase"]
    for part in record.values():
        part[0], part[1] = part[1], part[0]


def another_label(line):
    answers = line["rounds"][1]["purchase"]["answers"]
    answers[3] = (answers[3] + 1) % 10


def halved(line):
    line["rounds"][2]["purchase"]["prices"] = [0.5] * 10


def other_data(line):
    line["result"]["identity"]["data"] = "0" * 64


def other_trainer(line):
    line["config"]["trainer"]["l2"] = 0.5


def other_trainer_throughout(line):
    line["config"]["trainer"]["l2"] = 0.5
    line["result"]["identity"]["trainer"]["l2"] = -1.0
    line["config"]["trainer"]["l2"] = -1.0


def without(condition):
    def apply(folder):
        write_lines(folder, [line for line in lines_of(folder) if not condition(line["config"])])

    return apply


def raw(change):
    """A doctored bundle: `change` is done to the bytes of the unpacked archive."""

    def apply(folder):
        path = folder / ARCHIVE
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    return apply


def cut(folder):
    content = (folder / ARCHIVE).read_bytes()
    (folder / ARCHIVE).write_bytes(content[: len(content) // 2])


def linked(folder):
    (folder / ARCHIVE).rename(folder.parent / "elsewhere")
    (folder / ARCHIVE).symlink_to(folder.parent / "elsewhere")


def prettier(folder):
    path = folder / "curves.csv"
    head, *rows = path.read_text().splitlines(keepends=True)
    at = head.split(",").index("accuracy")
    cells = rows[-1].split(",")
    cells[at] = "0.99"
    path.write_text(head + "".join(rows[:-1]) + ",".join(cells))


def compressed(folder):
    path = folder / "curves.csv"
    (folder / "curves.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def appended(name, text):
    def apply(folder):
        with open(folder / name, "a") as file:
            file.write(text)

    return apply


def added(name, content=""):
    return lambda folder: (folder / name).write_text(content)


def removed(name):
    return lambda folder: (folder / name).unlink()


def undeclared(folder):
    with_json("submission.json", lambda value: value.update(differences=[], code=[{"commit": None, "dirty": None}]))(
        folder
    )
    lines = lines_of(folder)
    for line in lines:
        line["manifest"]["code"] = {"commit": None, "dirty": None}
    write_lines(folder, lines)


def local_plugin(folder):
    lines = lines_of(folder)
    for line in lines:
        line["manifest"]["code"] = {"commit": "a" * 40, "dirty": None}
        line["manifest"]["plugins"]["strategies"] = "local (mine.py), unversioned"
    write_lines(folder, lines)
    code = [{"commit": "a" * 40, "dirty": None}]
    with_json("submission.json", lambda value: value.update(differences=[], code=code))(folder)


DOCTORED = {
    # budgets, items, labels
    "one label too many": (with_line(one_more), "rounds.1.purchase: over budget (expected at most 10, got 11)"),
    "one label too few": (with_line(fewer), "rounds.2.purchase: under budget (expected 10 labels, got 9)"),
    "labels at half price": (
        with_line(halved),
        "prices are not the oracle's, for 10 of 10 items (expected 1.0",
    ),
    "an item bought before": (with_line(bought_before), "items were bought in an earlier round (expected indices not"),
    "an item twice in a round": (with_line(bought_twice), "items come more than once in a round (expected distinct"),
    "an item outside the pool": (
        with_line(lambda line: line["rounds"][1]["purchase"]["items"].__setitem__(0, 10**6)),
        "items are not in the pool (expected 0 to 1",
    ),
    "a negative item": (
        with_line(lambda line: line["rounds"][1]["purchase"]["items"].__setitem__(0, -1)),
        "expected at least 0 (got -1)",
    ),
    "a label that was not sold": (with_line(another_label), "answers are not the oracle's, for 1 of 10 items"),
    "another first set": (with_line(another_start), "the first set is not the one that the seed gives; 20 of 20 items"),
    "a price for each but one": (
        with_line(lambda line: line["rounds"][1]["purchase"]["prices"].pop()),
        "rounds.1.purchase.prices: not one for each item (expected 10, got 9)",
    ),
    # scores
    "an accuracy above one": (
        with_line(score(2, "accuracy", 1.2)),
        "accuracy: out of its range (expected 0 to 1",
    ),
    "a negative loss": (
        with_line(score(2, "nll", -0.1)),
        "nll: out of its range (expected 0 or more, got -0.1)",
    ),
    "a score that is no number": (
        raw(lambda text: text.replace(b'"macro_f1":0.', b'"macro_f1":NaN,"x":0.', 1)),
        "macro_f1: not a finite number (expected a finite number, got nan)",
    ),
    "a score that came late": (
        with_line(score(2, "auc", 0.9), mend=left_alone),
        "rounds.2.scores: other scores than in round 0",
    ),
    # hashes and sums
    "a better score": (
        with_line(score(1, "accuracy", 0.99), mend=left_alone),
        "does not follow from the round before",
    ),
    "a better last score": (
        with_line(score(2, "accuracy", 0.99), mend=left_alone),
        "result.head: is not the hash of the last round",
    ),
    "a better result": (
        with_line(lambda line: line["result"]["scores"]["accuracy"].__setitem__(2, 0.99), mend=left_alone),
        "result.scores.accuracy: differs from the rounds",
    ),
    "a count of labels that falls": (
        with_line(lambda line: line["result"].update(labels=[20, 30, 25]), mend=left_alone),
        "result.labels: the count of labels falls (expected counts that never fall, got [20, 30, 25])",
    ),
    "fewer labels than bought": (
        with_line(lambda line: line["result"].update(labels=[10, 20, 30]), mend=left_alone),
        "result.labels: is not what the rounds bought (expected [20, 30, 40], got [10, 20, 30])",
    ),
    "less spent than paid": (
        with_line(lambda line: line["rounds"][2].update(spent=35.0), mend=left_alone),
        "rounds.2.spent: is not the sum of the prices so far (expected 40, got 35.0)",
    ),
    "a round less": (
        with_line(lambda line: line["rounds"].pop()),
        "not as many rounds as the schedule has",
    ),
    # identity
    "another config under an old id": (
        with_line(other_trainer),
        "config.trainer: is not what the id stands for",
    ),
    "another identity under an old id": (
        with_line(other_data),
        "result.identity: the id is not the hash of what the run is",
    ),
    "other data under their own id": (
        with_line(other_data, mend=named),
        "the data does not hash to the run's id when it is built here",
    ),
    "a manifest of another run": (
        with_line(lambda line: line["manifest"].update(run="0" * 16), mend=left_alone),
        "manifest.run: speaks of another run",
    ),
    # coverage
    "a seed left out": (
        without(lambda config: config["seed"] == 1 and config["strategy"]["name"] == "margin"),
        "margin has other seeds than the baseline random (expected seeds 0, 1, got seeds 0)",
    ),
    "the baseline left out": (
        without(lambda config: config["strategy"]["name"] == "random"),
        "no run of the baseline random, so there is nothing to compare with",
    ),
    # archives
    "a run twice": (raw(lambda text: text + text.splitlines(keepends=True)[0]), "there twice: a run is submitted once"),
    "a run id that climbs out": (
        with_line(lambda line: line.update(run="../../../tmp/x"), mend=left_alone),
        "run: expected a text of the form",
    ),
    "half an archive": (cut, "not a whole gzip file"),
    "no gzip": (lambda folder: (folder / ARCHIVE).write_bytes(b"{}\n"), "not a whole gzip file: Not a gzipped file"),
    "an archive that unfolds": (
        lambda folder: (folder / ARCHIVE).write_bytes(gzip.compress(b" " * (65 * 2**20), 1)),
        "unpacks to more than a run can need; the rest is not read (expected at most 16,777,216 bytes)",
    ),
    "an empty archive": (lambda folder: write_lines(folder, []), "runs.jsonl.gz: holds no run"),
    "bytes that are not UTF-8": (raw(lambda text: text.replace(b"accuracy", b"accur\xffcy", 1)), "not UTF-8: invalid"),
    "a line that is no JSON": (raw(lambda text: text[:-20] + b"\n"), "line 4: not JSON"),
    "a list nested for ever": (raw(lambda text: b"[" * 10**6 + b"\n" + text), "line 1: nested deeper than is"),
    "a key twice": (
        raw(lambda text: text.replace(b'"round":0', b'"round":7,"round":0', 1)),
        "line 1: key 'round' comes twice in one object",
    ),
    "an unknown field": (with_line(lambda line: line.update(note="x")), "note: unknown field"),
    "a linked archive": (linked, "runs.jsonl.gz: not a plain file"),
    "no archive": (removed(ARCHIVE), "runs.jsonl.gz: missing"),
    # what the leaderboard reads
    "a prettier curve": (prettier, "curves.csv: run"),
    "a prettier curve, compressed": (lambda folder: (prettier(folder), compressed(folder)), "curves.csv.gz: run"),
    "a curve of nobody": (
        appended("curves.csv", "feed,small,p,t,s,0,0,1\n"),
        "curves.csv: run feed: round 0: a round that is not in the archive",
    ),
    "no curves": (removed("curves.csv"), "curves.csv: missing: the leaderboard reads it"),
    "a badge of one's own": (
        with_json("board.json", lambda value: value.update(badge="re-run")),
        "board.json: badge: claims a badge",
    ),
    "a grid of one's own": (
        with_json("board.json", lambda value: value["budgets"].update({"classification(digits, pixels)": [1, 2, 3]})),
        "not the schedule of its runs (expected (20.0, 30.0, 40.0), got (1.0, 2.0, 3.0))",
    ),
    "another metric": (
        with_json("board.json", lambda value: value.update(metric="nll")),
        "board.json: metric: not what ranks its problems",
    ),
    "a page of one's own": (added("index.html", "<script>"), "index.html: no part of a submission"),
    "a folder in it": (lambda folder: (folder / "more").mkdir(), "more: not a plain file"),
    # who sends it
    "nobody signed": (removed("submission.json"), "submission.json: missing: a submission says who sends what"),
    "no address": (
        with_json("submission.json", lambda value: value.update(contact="me")),
        "submission.json: contact: expected a text of the form",
    ),
    "a field too many": (
        with_json("submission.json", lambda value: value.update(prize=1)),
        "submission.json: prize: unknown field",
    ),
    "code of others": (
        with_json("submission.json", lambda value: value.update(code=[{"commit": "f" * 40, "dirty": None}])),
        "submission.json: code: is not the code that the manifests name",
    ),
    "changes not declared": (undeclared, "a run's code is no published commit, and no difference is declared"),
    "a plugin not declared": (local_plugin, "a run used a plugin of its own, and no difference is declared"),
    "no JSON": (added("submission.json", "{"), "submission.json: not JSON: Expecting"),
    "badges for another archive": (
        added("badges.json", json.dumps({"format": 1, "archive": "0" * 64, "badges": {}, "evidence": {}})),
        "badges.json: speaks of another archive",
    ),
    "badges nobody knows": (
        added("badges.json", '{"format": 1, "archive": "0", "badges": {"a": "best"}, "evidence": {}}'),
        "badges.json: not badges of format 1",
    ),
}


@pytest.mark.parametrize("fault", DOCTORED)
def test_a_doctored_submission_is_refused_with_its_own_message(fault, bundle, place):
    doctor, message = DOCTORED[fault]
    doctor(bundle)
    checked = check(bundle, place)
    told = [str(problem) for problem in checked.problems]
    assert [line for line in told if message in line], told
    assert not checked.sound


def test_an_honest_submission_is_accepted(bundle, place):
    checked = check(bundle, place)
    assert not checked.problems and not checked.warnings
    assert len(checked.runs) == len(checked.sound) == 4


def test_all_faults_are_told_at_once_with_where_and_what(bundle, place):
    with_line(another_label)(bundle)
    with_line(score(2, "accuracy", 1.5), which=1)(bundle)
    removed("board.json")(bundle)
    done = CliRunner().invoke(app, ["submission", "check", str(bundle), "--json"])
    assert done.exit_code == 1
    problems = json.loads(done.stdout)["problems"]
    told = {(problem["file"], problem["field"]) for problem in problems}
    assert {("board.json", ""), (ARCHIVE, "rounds.2.scores.accuracy")} <= told
    # While a run contradicts itself nothing is built, so that nobody looks at what labels are.
    assert (ARCHIVE, "rounds.1.purchase.answers.3") not in told
    ranged = next(problem for problem in problems if problem["field"] == "rounds.2.scores.accuracy")
    assert (ranged["run"], ranged["expected"], ranged["actual"]) == (lines_of(bundle)[1]["run"], "0 to 1", "1.5")
    with_line(score(2, "accuracy", 0.5), which=1)(bundle)
    told = CliRunner().invoke(app, ["submission", "check", str(bundle)]).stderr
    assert "rounds.1.purchase.answers.3" in told and "board.json: missing" in told


def test_the_commands_exit_codes(bundle, tmp_path):
    assert CliRunner().invoke(app, ["submission", "check", str(bundle)]).exit_code == 0
    done = CliRunner().invoke(app, ["submission", "check", str(tmp_path / "nothing")])
    assert done.exit_code == 2 and "not a folder" in done.stderr
    cut(bundle)
    done = CliRunner().invoke(app, ["submission", "check", str(bundle), "--record"])
    assert done.exit_code == 1 and "not a whole gzip file" in done.stderr
    assert not (bundle / "badges.json").exists()


def test_the_baseline_may_come_from_published_results(bundle, place, tmp_path):
    published = shutil.copytree(bundle, tmp_path / "published")
    DOCTORED["the baseline left out"][0](bundle)
    removed("curves.csv")(bundle)
    problems = [str(problem) for problem in check(bundle, place, against=[published]).problems]
    assert problems == ["curves.csv: missing: the leaderboard reads it; `lbp submission pack` writes it"]


def test_a_long_table_may_be_compressed(bundle, place):
    compressed(bundle)
    assert not check(bundle, place).problems


def test_what_cannot_be_built_here_is_a_warning_and_no_sound_run(bundle, place):
    def foreign(line):
        line["config"]["strategy"] = line["result"]["identity"]["strategy"] = {"name": "elsewhere", "version": 1}

    lines = lines_of(bundle)
    for line in lines:
        if line["config"]["strategy"]["name"] == "margin":
            foreign(line)
            named(line)
    write_lines(bundle, lines)
    checked = check(bundle, place)
    assert sum("unknown strategy 'elsewhere'" in str(warning) for warning in checked.warnings) == 2
    assert len(checked.specs) == 2
    for line in lines:
        if line["config"]["strategy"]["name"] == "elsewhere":
            another_label(line)
            chained(line)
    write_lines(bundle, lines)
    told = [str(problem) for problem in check(bundle, place).problems if "the oracle's" in str(problem)]
    assert len(told) == 2 and "answers are not the oracle's, for 1 of 10 items" in told[0]


def test_data_whose_last_bits_follow_the_machine_are_a_warning(bundle, place, monkeypatch):
    with_line(other_data, mend=named)(bundle)
    monkeypatch.setattr(registry("datasets").load("digits"), "varies_by_machine", lambda self: "its processor rounds")
    told = check(bundle, place)
    assert not any("does not hash" in str(found) for found in told.problems)
    assert any("other last bits here" in str(found) and "its processor rounds" in str(found) for found in told.warnings)


def test_a_run_far_from_its_siblings_is_a_warning(bundle, place):
    lines = lines_of(bundle)
    margin = [line for line in lines if line["config"]["strategy"]["name"] == "margin"]
    copies = []
    for seed, last in enumerate((0.8, 0.81, 0.79, 0.805, 0.12), start=10):
        copy = json.loads(json.dumps(margin[0]))
        copy["config"]["seed"] = copy["result"]["identity"]["seed"] = seed
        copy["rounds"][2]["scores"] = dict.fromkeys(copy["rounds"][2]["scores"], last)
        named(copy)
        copies.append(copy)
    write_lines(bundle, [*lines, *copies])
    warned = [warning for warning in check(bundle, place).warnings if "far from margin's other seeds" in str(warning)]
    assert {warning.run for warning in warned} == {copies[-1]["run"]}
    assert "last accuracy" in {warning.field for warning in warned}


def test_a_path_of_a_machine_is_a_warning(bundle, place):
    with_line(lambda line: line["manifest"]["plugins"].update(strategies="local (/home/me/x.py)"))(bundle)
    (warning,) = check(bundle, place).warnings
    assert warning.field == "manifest.plugins.strategies" and warning.actual == "local (/home/me/x.py)"


def test_seeds_that_repeat_each_other_are_a_warning(bundle, place):
    lines = lines_of(bundle)
    first, second = (line for line in lines if line["config"]["strategy"]["name"] == "margin")
    for ours, theirs in zip(second["rounds"], first["rounds"], strict=True):
        ours["scores"] = theirs["scores"]
    chained(second)
    write_lines(bundle, lines)
    assert any("the same scores in every round" in str(warning) for warning in check(bundle, place).warnings)


def test_an_archive_that_climbs_out_is_not_restored_either(bundle, tmp_path):
    with_line(lambda line: line.update(run="../../../climbed"), mend=left_alone)(bundle)
    done = CliRunner().invoke(app, ["restore", str(bundle / ARCHIVE), "--out", str(tmp_path / "a" / "b")])
    assert done.exit_code == 2 and "line 1: run: expected a text of the form" in done.stderr
    assert not (tmp_path / "climbed").exists() and not (tmp_path / "a").exists()


def test_badges_are_read_by_the_leaderboard_and_never_lost(bundle):
    from labelbench_plus.leaderboard.results import read_results

    runs = [line["run"] for line in lines_of(bundle)]
    assert {read_results(bundle).meta.badge_of(run) for run in runs} == {"self-reported"}
    done = CliRunner().invoke(app, ["submission", "check", str(bundle), "--record"])
    assert done.exit_code == 0, done.output
    assert {read_results(bundle).meta.badge_of(run) for run in runs} == {"checked"}
    grant(bundle, "replayed", {runs[0]: ["retrained round 1"]}, {})
    grant(bundle, "checked", {runs[0]: ["checked"]}, {})
    assert read_results(bundle).meta.badge_of(runs[0]) == "replayed"
    assert CliRunner().invoke(app, ["submission", "check", str(bundle)]).exit_code == 0
    write_lines(bundle, lines_of(bundle)[:3])
    assert {read_results(bundle).meta.badge_of(run) for run in runs} == {"self-reported"}
