"""Runs whose answers are paid: what the command asks before, what is paid, and what comes out."""

import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelbench_plus.answering.judging import ANSWERS
from labelbench_plus.answering.kept_answers import KeptAnswers
from labelbench_plus.cli import app
from labelbench_plus.contracts.annotators import Purse
from labelbench_plus.oracle import MoneyPending
from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.running.local import LEFT
from labelbench_plus.store.lease import attempts
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite

from .test_paying import FORK

PLUGIN = Path(__file__).with_name("asked_world.py")
SUITE = """\
suite: asked
problems:
  - name: asked
    annotator: {{name: http_judge, url: "{url}", model: m, rubric: {rubric}, label: answer, max_tokens: 8,
      price_in: 1.0, price_out: 1.0, concurrency: 1, pause: 0.01}}
trainers: [count_answers]
strategies: [random]
budget: {{first: 4, batch: 3, rounds: 3}}
seeds: [0, 1]
"""


@pytest.fixture
def suite(tmp_path, loopback):
    load_plugin_file(PLUGIN)
    loopback.says = lambda text: f"{text}!"
    rubric = tmp_path / "rubric.txt"
    rubric.write_text("{prompt}")
    path = tmp_path / "asked.yaml"
    path.write_text(SUITE.format(url=loopback.url, rubric=rubric))
    return path


def lbp(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--plugin", str(PLUGIN)])


def run(suite, out, *more):
    return lbp("run", suite, "--out", out, "--jobs", "1", *more)


def bytes_of(root: Path) -> dict[str, bytes]:
    runs = [*root.glob("runs/*/rounds/*.json"), *root.glob("runs/*/result.json")]
    return {str(path.relative_to(root)): path.read_bytes() for path in runs}


def test_nobody_is_paid_before_somebody_says_how_much(suite, loopback, tmp_path):
    for more in ((), ("--dry-run",)):
        done = run(suite, tmp_path / "out", *more)
        assert done.exit_code == (0 if more else 2), done.output
        assert "2 runs, up to 20 questions" in done.output  # each buys ten, of the same twenty
        worst = sum(len(f"question {number}") + 64 + 8 for number in range(20)) / 1e6
        assert f"worst-case bill: {worst:.4g}" in done.output
        assert loopback.url in done.output and '"content": "question 0"' in done.output
    assert "--pay" in run(suite, tmp_path / "out").output
    assert not loopback.seen and not (tmp_path / "out").exists() and not (tmp_path / "answers").exists()
    assert "no paid annotator is left to ask" in run(suite, tmp_path / "out", "problems=[asked]", "--pay", "1").output


def carried_out(spec, root, pay=1.0, answers=None):
    """A run, in this process."""
    where = Where(root, root.parent / "cache", kept_in=answers, purse=Purse(uuid.uuid4().hex, pay))
    return carry_out(Job.of(spec, where), lambda rounds: None)


def test_money_is_paid_once_and_labels_are_charged_in_every_run(suite, loopback, tmp_path):
    specs = load_suite(suite).runs()
    for spec in specs:
        assert carried_out(spec, tmp_path / "out") == "finished"
    stores = [RunStore(tmp_path / "out", spec.id) for spec in specs]
    bought = [item for store in stores for record in store.rounds() for item in record.purchase.items.tolist()]
    assert all(store.rounds()[-1].spent == 10.0 for store in stores)
    assert len(loopback.seen) == len(set(bought)) < len(bought) == 20
    costs = [cost for store in stores for cost in store.costs()]
    assert sum(cost["annotator.asked"] for cost in costs) == 20
    assert sum(cost["annotator.from_store"] for cost in costs) == 20 - len(loopback.seen)
    assert sum(cost["annotator.money"] for cost in costs) == pytest.approx(15e-6 * len(loopback.seen))
    before = len(loopback.seen)
    done = run(suite, tmp_path / "elsewhere" / "out", "--answers", tmp_path / "answers", "--pay", "0")
    assert done.exit_code == 0, done.output
    assert len(loopback.seen) == before and bytes_of(tmp_path / "elsewhere" / "out") == bytes_of(tmp_path / "out")


def test_orphans_and_what_was_paid_are_told(suite, loopback, tmp_path):
    assert "no questions were asked" in lbp("answers", "--out", tmp_path / "out").output
    first, second = load_suite(suite).runs()
    carried_out(first, tmp_path / "out")
    alone = len(loopback.seen)
    carried_out(second, tmp_path / "other" / "out", answers=tmp_path / "answers")
    orphans = len(loopback.seen) - alone
    assert orphans > 0
    said = lbp("answers", suite, "--out", tmp_path / "out").output
    assert f"{len(loopback.seen)} answers; {15e-6 * len(loopback.seen):.4g} paid" in said
    assert f"orphans: {orphans} answer" in said and f"bought, {15e-6 * orphans:.4g}" in said


def test_killed_between_a_charge_and_a_commit_it_goes_on_to_the_same_bytes(suite, loopback, tmp_path, monkeypatch):
    spec = load_suite(suite).runs()[0]

    def killed(root):
        def die(*_, **__):
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(RunStore, "commit", die)
        carry_out(Job.of(spec, Where(root, tmp_path / "cache", purse=Purse("p", 1.0))), lambda rounds: None)

    child = FORK.Process(target=killed, args=(tmp_path / "out",))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL and len(loopback.seen) == 4
    for root in (tmp_path / "out", tmp_path / "other"):
        where = Where(root, tmp_path / "cache", purse=Purse("p", 1.0))
        assert carry_out(Job.of(spec, where), lambda rounds: None) == "finished"
    assert len(loopback.seen) == 10 and bytes_of(tmp_path / "out") == bytes_of(tmp_path / "other")


def test_a_run_waits_where_its_purse_is_empty_and_a_fuller_one_goes_on(suite, loopback, tmp_path):
    spec = load_suite(suite).runs()[0]
    found = carried_out(spec, tmp_path / "out", 0.00016)
    assert isinstance(found, MoneyPending) and found.limit == "--pay"
    last = attempts(RunStore(tmp_path / "out", spec.id).folder / "attempts")[-1]
    assert (last["ended"], last["answers"], last["money"]) == ("waiting", found.count, found.money)
    (kept,) = tmp_path.glob(f"answers/*/{ANSWERS}")
    assert 0 < KeptAnswers(kept).spent() <= 0.00016 and len(loopback.seen) == len(KeptAnswers(kept))
    committed = RunStore(tmp_path / "out", spec.id).rounds()
    assert found.count == sum((4, 3, 3)[: len(committed) + 1]) - len(loopback.seen)
    enough = carried_out(spec, tmp_path / "out", found.money)  # for this round
    assert isinstance(enough, MoneyPending) and len(RunStore(tmp_path / "out", spec.id).rounds()) > len(committed)
    assert carried_out(spec, tmp_path / "out", 0.01) == "finished"
    assert len(loopback.seen) == 10
    assert carried_out(spec, tmp_path / "other" / "out", 0.0, tmp_path / "answers") == "finished"
    assert bytes_of(tmp_path / "other" / "out") == bytes_of(tmp_path / "out")


def test_the_command_says_how_much_more_it_takes_and_whoever_raises_a_limit_goes_on(suite, loopback, tmp_path):
    done = run(suite, tmp_path / "out", "--pay", "0.0001")
    assert done.exit_code == LEFT and "failed" not in done.output, done.output
    pending = [each["money"] for each in map(last_attempt, tmp_path.glob("out/runs/*"))]
    more = f"{8 - len(loopback.seen)} answers may cost up to {sum(pending):.4g} more"
    assert f"2 runs are waiting for money: {more}; run again with --pay" in done.stdout
    suite.write_text(suite.read_text().replace("pause:", "max_money: 0.0002, pause:"))
    done = run(suite, tmp_path / "out", "--pay", "1")
    assert done.exit_code == LEFT, done.output
    assert "more, beyond its max_money; raise max_money, and run again with --pay" in done.stdout
    suite.write_text(suite.read_text().replace("max_money: 0.0002", "max_money: 0.01"))
    assert run(suite, tmp_path / "out", "--pay", "1").exit_code == 0


def last_attempt(folder):
    return attempts(folder / "attempts")[-1]


def test_a_sweep_carries_the_purse_and_the_folder_to_its_jobs_and_no_key(suite, loopback, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_JUDGE", "sk-very-secret-0123456789")
    suite.write_text(suite.read_text().replace("pause:", "key_from: MY_JUDGE, pause:"))
    answers = tmp_path / "kept"
    more = ["seeds=[0]", "-l", "local", "--out", tmp_path / "out", "--answers", answers]
    refused = lbp("sweep", "submit", suite, *more)
    assert refused.exit_code == 2 and "worst-case bill" in refused.output
    assert "worst-case bill" in lbp("sweep", "submit", suite, *more, "--dry-run").output
    assert not loopback.seen
    done = lbp("sweep", "submit", suite, *more, "--pay", "0.0002")
    assert done.exit_code == 0, done.output
    settings = json.loads(next((tmp_path / "out").rglob("sweep.json")).read_bytes())
    assert settings["purse"]["most"] == 0.0002 and settings["answers"] == str(answers)

    def ended(how):
        return [each for each in tmp_path.glob("out/runs/*/attempts/*.json") if f'"ended": "{how}"' in each.read_text()]

    assert eventually(lambda: ended("waiting"))
    told = lbp_of_sweeps("status", "asked", "--out", tmp_path / "out")
    assert "1 run is waiting for money: " in told and "lbp sweep resume asked --pay MAX" in told
    assert "(resume --pay)" in lbp_of_sweeps(
        "submit", suite, *more, "--only", "seed=5", "--dry-run", "--plugin", PLUGIN
    )
    lbp_of_sweeps("resume", "asked", "--out", tmp_path / "out", "--pay", "0.5")
    assert eventually(lambda: [*tmp_path.glob("out/runs/*/result.json")])
    assert len(loopback.seen) == 10 and list(answers.glob(f"*/{ANSWERS}/*"))
    assert set(loopback.keys) == {"Bearer sk-very-secret-0123456789"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]  # runs, notes of the sweep, logs, answers
    assert len(files) > 20 and not [path for path in files if b"very-secret" in path.read_bytes()]


def lbp_of_sweeps(*arguments):
    done = CliRunner().invoke(app, ["sweep", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def eventually(found, seconds=600):
    deadline = time.monotonic() + seconds
    while not found() and time.monotonic() < deadline:
        time.sleep(0.2)
    return found()
