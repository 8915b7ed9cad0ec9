"""What an evaluation may say: numbers of fixed names, or a run that failed and says why."""

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import labelbench_plus
import tests.telling
from labelbench_plus.cli import app
from labelbench_plus.contracts.scores import (
    ScoreError,
    Series,
    SeriesColumn,
    UnusableScore,
    plain_details,
    point,
    split_point,
)
from labelbench_plus.leaderboard.results import meta_as_json, read_results
from labelbench_plus.measure import noted
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import restore_archive, write_archive
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.submission.arithmetic import check_run
from labelbench_plus.submission.schema import RunLine, misfits
from labelbench_plus.suite import load_suite
from labelbench_plus.testing import check_problem, check_trainer

PLUGIN = Path(tests.telling.__file__)
SUITE = """\
suite: told
problems: [{{name: telling, says: {says}}}]
trainers: [share]
strategies: [random]
budget: {{first: 10, batch: 5, rounds: 3}}
seeds: [0]
"""


@pytest.fixture
def told(tmp_path):
    """Carry out the run of a problem that says something; returns its store, and the error if there was one."""

    def carry(says: str) -> tuple[RunStore, ScoreError | None]:
        (tmp_path / "told.yaml").write_text(SUITE.format(says=says))
        (spec,) = load_suite(tmp_path / "told.yaml").runs()
        job = Job.of(spec, Where(tmp_path, tmp_path / "cache"))
        error = None
        try:
            carry_out(job, lambda rounds: None)
        except ScoreError as caught:
            error = caught
        return RunStore(tmp_path, spec.id), error

    return carry


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("nan", "score 'error' is not finite: nan"),
        ("inf", "score 'error' is not finite: inf"),
        ("text", "score 'error': expected a number, got str"),
        ("more", "score 'later' is new: the rounds before lack it"),
        ("other", "score 'error' is missing, but the rounds before have it"),
        ("bad details", "detail 'per item', 'margin', 7 is not finite: nan"),
    ],
)
def test_a_score_that_says_nothing_ends_the_run(told, says, why):
    store, error = told(says)
    assert f"trainer 'share', round 1: {why}" in str(error)
    assert len(store.rounds()) == 1 and not store.done
    (attempt,) = attempts(store.folder / "attempts")
    assert attempt["ended"] == "failed" and str(error) in attempt["detail"]
    assert attempt["failure"]["kind"] == "code"  # not worth another try
    _, again = told(says)  # a run that is gone on with knows the names of its scores from its files
    assert str(again) == str(error)


def test_numbers_are_kept(told):
    store, error = told("number")
    assert error is None and store.done and [list(record.scores) for record in store.rounds()] == [["error"]] * 3


def test_details_are_kept_beside_the_round_that_names_their_hash(told):
    store, _ = told("details")
    details = store.details(2)
    assert details["generations"] == [{"prompt": "p", "answers": ["a", None], "length": 2}]
    items = details["per item"]
    assert list(map(len, items.values())) == [60] * 3 and items["said"][0] == "é\0" + "20"
    raw = json.loads((store.folder / "rounds" / "0002.json").read_bytes())
    assert raw["details"] == hashlib.sha256(canonical(details)).hexdigest() == store.rounds()[2].details
    (store.folder / "details" / "0002.json.gz").unlink()
    assert store.details(2) is None  # as after restoring an archive without
    shutil.copy(store.folder / "details" / "0001.json.gz", store.folder / "details" / "0002.json.gz")
    with pytest.raises(StoreError, match=r"0002.json.gz: its hash is"):
        store.details(2)
    with pytest.raises(LookupError, match="no round 3"):
        store.details(3)


def test_a_run_without_details_has_the_rounds_it_had_before_there_were_any(told):
    store, _ = told("number")
    assert store.details(0) is None and not (store.folder / "details").exists()
    assert "details" not in json.loads((store.folder / "rounds" / "0000.json").read_bytes())


def test_details_come_back_from_an_archive_that_holds_them(told, tmp_path):
    store, _ = told("details")
    assert write_archive([store], tmp_path / "bare.gz") == write_archive([store], tmp_path / "whole.gz", details=True)
    restore_archive(tmp_path / "bare.gz", tmp_path / "bare")
    assert RunStore(tmp_path / "bare", store.id).rounds() and RunStore(tmp_path / "bare", store.id).details(1) is None
    for _ in range(2):  # what is there already is compared
        restore_archive(tmp_path / "whole.gz", tmp_path / "bare")
    for path in sorted((store.folder / "details").iterdir()):
        assert (tmp_path / "bare" / "runs" / store.id / "details" / path.name).read_bytes() == path.read_bytes()
    line = json.loads(gzip.decompress((tmp_path / "whole.gz").read_bytes()))
    assert not list(check_run(line)) and not misfits(RunLine, line, "runs.jsonl.gz")
    line["details"][1]["per item"]["label"][0] += 1
    (finding,) = check_run(line)
    assert finding.field == "details.1" and "by their hash" in finding.what
    (tmp_path / "doctored.gz").write_bytes(gzip.compress(canonical(line) + b"\n"))
    with pytest.raises(StoreError, match="round 1 was committed with other details"):
        restore_archive(tmp_path / "doctored.gz", tmp_path / "doctored")


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"a": {"x": [1, 2], "y": [1]}}, "expected columns of one length, got {'x': 2, 'y': 1}"),
        ({"a": {"x": 3}}, "expected columns of one length"),
        ({"a": [1, 2]}, "expected columns by name, or a list of records"),
        ({"a": {"x": [object()]}}, "detail 'a', 'x', 0: expected numbers, text, lists or mappings, got object"),
        ({"a": [{"x": "\ud800"}]}, "detail 'a', 0, 'x': half of a surrogate pair"),
        ({"a": [{1: "x"}]}, "expected text for keys, got 1"),
        ({"a": [{"x": np.array([0.0, np.inf])}]}, "detail 'a', 0, 'x', 1 is not finite: inf"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_by_its_place(details, why):
    with pytest.raises(UnusableScore, match=re.escape(why)):
        plain_details(details)


def test_a_problem_with_details_and_a_trainer_with_notes_pass_the_kit():
    for report in (check_problem(tests.telling.Telling("details")), check_trainer(tests.telling.ShareTrainer())):
        assert report.passed, str(report)


def test_evaluation_and_notes_stand_among_the_costs(told):
    store, _ = told("details")
    last = store.costs()[-1]
    assert last["evaluate_seconds"] > 0 and last["evaluate_peak_bytes"] >= 0
    assert last["trainer.items"] == 20 and last["trainer.lost"] is None and last["problem.tokens"] == 140


def test_a_point_of_a_series_has_one_text():
    assert [point(at) for at in (0, -0.0, 1.0, 0.25, 1 / 3, (0.5, 0.5), 1e-9)] == [
        "0", "0", "1", "0.25", "0.3333333333333333", "0.5:0.5", "1e-09",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="finite"):
        point(float("nan"))
    front = Series("front", "weight", ("0", "0.5:0.5"), (SeriesColumn("J", True),), ("weight", "J"))
    assert front.score("J", "0.5:0.5") == "front.J@0.5:0.5"
    assert split_point("front.best:J@0.5:0.5") == ("front", "best:J", "0.5:0.5")
    assert split_point("accuracy") is split_point("accuracy@3") is split_point("a.b") is split_point("a.@1") is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": "a.b"}, "may hold no '.'"),
        ({"name": "a@b"}, "no name"),
        ({"at": ()}, "different points"),
        ({"at": ("1", "1")}, "different points"),
        ({"columns": (SeriesColumn("J", True),) * 2}, "different columns"),
        ({"chart": ("weight", "K")}, "shows \\['K'\\], which it does not have"),
    ],
)
def test_a_series_that_cannot_be_told_apart_is_refused(changed, why):
    right = {"name": "front", "parameter": "weight", "at": ("0", "1"), "columns": (SeriesColumn("J", True),)}
    Series(**right)
    with pytest.raises(ValueError, match=why):
        Series(**right | changed)


@pytest.mark.parametrize("metrics", [["accuracy"], ["nll", "accuracy"]])
def test_a_model_that_diverged_is_a_failed_run(suite_file, tmp_path, metrics):
    trainer = "{name: finetune, network: perceptron, augment: noise, steps: 20, learning_rate: 1.0e+30}"
    suite = suite_file(
        ("encoder: pixels", f"encoder: pixels, metrics: {metrics}"),
        ("[logistic_regression]", f"[{trainer}]"),
        ("[random, margin]", "[random]"),
        ("0..1", "[0]"),
    )
    shown = CliRunner().invoke(app, ["run", str(suite), "--jobs", "1", "--out", str(tmp_path / "out")])
    assert shown.exit_code == 1
    names = ", ".join(f"'{name}'" for name in metrics)
    words = " ".join(shown.output.split())
    assert "1 of 1 runs failed in the same way" in words and "Traceback" not in words
    assert re.search(rf"round 0: scores? {names}: the predictions for (\d+) of \1 test items are not finite", words)


def test_details_are_shown_published_and_read_in_python(tmp_path):
    (tmp_path / "told.yaml").write_text(SUITE.format(says="details"))
    (spec,) = load_suite(tmp_path / "told.yaml").runs()
    out, plugin = tmp_path / "out", ["--plugin", str(PLUGIN)]

    def lbp(*words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done.output

    lbp("run", str(tmp_path / "told.yaml"), "--jobs", "1", "--out", str(out), *plugin)
    shown = lbp("show", spec.id, "--out", str(out))
    assert "error" in shown and "front.loss@0" not in shown
    assert "trainer.items=20" in shown and "problem.tokens=140" in shown and "evaluate_seconds=" in shown
    shown = lbp("show", spec.id, "--out", str(out), "--details", "--round", "0")
    assert "per item: 60 rows" in shown and "and 50 more: labelbench_plus.run_details" in shown
    assert "generations: 1 rows" in shown
    table = labelbench_plus.run_details(spec.id, out)["per item"]
    assert table.columns.tolist() == ["label", "margin", "said"] and len(table) == 60
    lbp("publish", str(tmp_path / "told.yaml"), str(tmp_path / "bare"), "--out", str(out), *plugin)
    lbp("publish", str(tmp_path / "told.yaml"), str(tmp_path / "whole"), "--out", str(out), "--details", *plugin)
    lbp("restore", str(tmp_path / "bare" / "runs.jsonl.gz"), "--out", str(tmp_path / "again"))
    with pytest.raises(FileNotFoundError, match="--details"):
        labelbench_plus.run_details(spec.id, tmp_path / "again")
    lbp("restore", str(tmp_path / "whole" / "runs.jsonl.gz"), "--out", str(tmp_path / "again"))
    assert labelbench_plus.run_details(spec.id, tmp_path / "again", 0)["generations"]["length"].tolist() == [2]
    board = (tmp_path / "whole" / "board.json").read_bytes()
    assert json.loads(board)["problems"]["telling(says=details)"]["series"][0]["at"] == ["0", "0.5", "1"]
    assert meta_as_json(read_results(tmp_path / "whole").meta) == board
    assert "evaluate (s)" in (tmp_path / "whole" / "table.md").read_text()


def test_tables_have_names_and_notes_are_numbers_by_name():
    with pytest.raises(UnusableScore, match="expected text for the names of tables, got 1"):
        plain_details({1: {"a": [1]}, "b": {"a": [1]}})
    for notes in ([1.0], {"loss": "low"}, {"loss": None}):
        with pytest.raises(TypeError, match="notes of the trainer: expected numbers by name, got"):
            noted("trainer", notes)
