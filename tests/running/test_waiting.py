"""A run that has to wait for somebody's answers has not failed, and goes on when they are there."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.isolation import cell
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.running.local import LEFT
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

PLUGIN = Path(__file__).parent / "annotated_later.py"
SUITE = """\
suite: described
problems: [annotated_later]
trainers: [counting]
strategies: [random]
budget: {first: 4, batch: 3, rounds: 3}
seeds: [0]
"""


@pytest.fixture
def where(tmp_path):
    return Where(tmp_path / "out", tmp_path / "cache", plugin_files=(PLUGIN,))


@pytest.fixture
def suite(tmp_path):
    load_plugin_file(PLUGIN)
    path = tmp_path / "described.yaml"
    path.write_text(SUITE)
    return path


def answer(folder: Path) -> list[int]:
    """Somebody answers all that was asked."""
    asked = json.loads((folder / "questions.json").read_text())
    for item in asked:
        (folder / f"{item}.txt").write_text("x" * item)
    return asked


def outcome(store: RunStore) -> dict[str, bytes]:
    paths = [*sorted((store.folder / "rounds").iterdir()), store.folder / "result.json"]
    return {path.name: path.read_bytes() for path in paths}


def test_a_run_waits_and_goes_on_to_the_same_bytes(where, suite, tmp_path):
    (spec,) = load_suite(suite).runs()
    job, store = Job.of(spec, where), RunStore(where.root, spec.id)
    for number, waiting in enumerate((4, 3, 3)):
        for _ in range(2):  # nobody answered in between: it asks for the same
            found = carry_out(job, lambda rounds: None)
            assert isinstance(found, AnswersPending) and found.count == waiting
            assert len(store.rounds()) == number
        last = attempts(store.folder / "attempts")[-1]
        assert (last["ended"], last["detail"], last["answers"]) == (
            "waiting",
            f"waiting for {waiting} answers",
            waiting,
        )
        asked = answer(where.answers)
    assert carry_out(job, lambda rounds: None) == "finished"
    assert store.rounds()[-1].purchase.items.tolist() == asked
    at_once = Where(tmp_path / "again", tmp_path / "cache")  # the same folder of answers beside it
    assert at_once.answers == where.answers
    assert carry_out(Job.of(spec, at_once), lambda rounds: None) == "finished"
    assert outcome(RunStore(at_once.root, spec.id)) == outcome(store)


def test_answers_lie_beside_the_output_folder_and_never_in_the_cache(where):
    assert where.answers.parent == where.root.parent
    assert not where.answers.is_relative_to(where.root)
    assert not where.answers.is_relative_to(where.cache)


def test_a_strategy_in_a_process_of_its_own_reads_no_answers(where, suite, monkeypatch):
    hidden = []

    class Spy(cell.Cell):
        def __init__(self, files, folders, terms, **about):
            hidden.extend(folders)
            super().__init__(files, folders, terms, **about)

    monkeypatch.setattr(cell, "Cell", Spy)
    (spec,) = load_suite(suite).runs()
    carry_out(Job.of(spec, where), lambda rounds: None)
    assert where.answers in hidden


def test_a_run_that_learns_from_anothers_labels_waits_with_it(where, suite):
    (spec,) = load_suite(suite, ["proxy=counting", "trainers=[{name: counting, times: 2}]"]).runs()
    job = Job.of(spec, where)
    assert isinstance(carry_out(job, lambda rounds: None), AnswersPending)
    last = attempts(RunStore(where.root, spec.id).folder / "attempts")[-1]
    assert last["ended"] == "waiting"
    assert last["detail"] == f"waiting for 4 answers (in run {spec.selection.id}, which chooses its labels)"
    for _ in range(3):
        answer(where.answers)
        found = carry_out(job, lambda rounds: None)
    assert found == "finished"


def test_the_command_says_what_is_waited_for_and_that_runs_are_left(where, suite):
    command = ["run", str(suite), "seeds=0..1", "--out", str(where.root), "--plugin", str(PLUGIN), "--jobs", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == LEFT, done.output
    assert "0 runs finished" in done.stdout
    assert "2 runs are waiting for 4 answers; run again when they are there" in done.stdout
    assert "failed" not in done.stdout
