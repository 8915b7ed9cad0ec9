"""Judgements of responses that a policy writes anew in each round: what is paid, and what no run asks for any more."""

import json

import pytest
from typer.testing import CliRunner

from labelbench_plus.annotators import Asked
from labelbench_plus.cli import app
from labelbench_plus.contracts.annotators import Desk, Purse
from labelbench_plus.oracle import MoneyPending
from labelbench_plus.plugins import registry
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.suite import load_suite

EXAMPLE = registry("problems").load("preference_tuning").example()
SUITE = {
    "suite": "judged",
    "problems": [{"name": "preference_tuning", **EXAMPLE, "judge": {"name": "rule", "rule": "brief"}}],
    "trainers": [{"name": "proxy_dpo", "steps": 2, "batch": 2, "rank": 2}],
    "strategies": ["random"],
    "budget": {"first": 4, "batch": 3, "rounds": 2},
    "seeds": [0],
}


@pytest.fixture
def suite(tmp_path, loopback):
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("{prompt}\n{response}")
    judge = {"name": "http_judge", "url": loopback.url, "model": "m", "rubric": str(rubric), "label": "score"}
    changed = {"label": "score", "refresh": True, "others": "none", "instruction": None}
    paid = {**judge, "max_tokens": 8, "price_in": 1.0, "price_out": 1.0}
    prompts = {**EXAMPLE["prompts"], "pool": 6}
    problem = {**SUITE["problems"][0], **changed, "annotator": paid, "prompts": prompts}
    path = tmp_path / "judged.yaml"
    path.write_text(json.dumps({**SUITE, "problems": [problem]}))
    return path


def told(suite, out):
    done = CliRunner().invoke(app, ["answers", str(suite), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return done.output


def test_orphans_are_what_no_round_asked_for(suite, loopback, tmp_path):
    (spec,) = load_suite(suite).runs()
    judge, out = spec.problem.annotator, tmp_path / "out"
    bill = CliRunner().invoke(app, ["run", str(suite), "--out", str(out), "--dry-run"]).output
    assert "up to 7 questions" in bill and "the bill cannot be foreseen" in bill
    poor = Where(out, tmp_path / "cache", purse=Purse("first", 0.00013))
    assert isinstance(carry_out(Job.of(spec, poor), lambda rounds: None), MoneyPending)
    assert "1 run not done, which may buy them yet" in told(suite, out)
    rich = Where(out, tmp_path / "cache", purse=Purse("second", 1.0))
    assert carry_out(Job.of(spec, rich), lambda rounds: None) == "finished"
    assert "orphans: none" in told(suite, out) and len(loopback.seen) == 7
    judge.ask([Asked("hello", None, ("a text that no policy wrote",))], Desk(tmp_path / "answers", Purse("third", 1.0)))
    assert "orphans: 1 answer that no run of the suite bought, 1.5e-05\n" in told(suite, out)
