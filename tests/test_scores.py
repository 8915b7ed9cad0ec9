"""What an evaluation may say: numbers of fixed names, or a run that failed and says why."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tests.telling
from labelbench_plus.cli import app
from labelbench_plus.contracts.scores import ScoreError
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

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
    assert "1 of 1 runs failed alike" in words and "Traceback" not in words
    assert re.search(rf"round 0: scores? {names}: the predictions for (\d+) of \1 test items are not finite", words)
