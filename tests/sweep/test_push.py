import json

import pytest
import wandb
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.running.job import Job, Mirror, Where, carry_out
from labelbench_plus.store.lease import acquire
from labelbench_plus.store.packing import pack, unpack
from labelbench_plus.suite import load_suite
from labelbench_plus.sweep.folder import Sweep, SweepRun
from labelbench_plus.sweep.state import look
from tests.tracking.wandb_service import Service


@pytest.fixture
def swept(suite_file, tmp_path, monkeypatch):
    """A sweep of four runs that is done but for the last, on nodes that had no internet; and W&B."""
    service = Service()
    monkeypatch.setenv("WANDB_BASE_URL", service.url)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    specs = load_suite(suite_file()).runs()
    sweep = Sweep(tmp_path / "out", "small")
    sweep.folder.mkdir(parents=True)
    sweep.add_runs(SweepRun.of(spec) for spec in specs)
    (sweep.folder / "sweep.json").write_text(json.dumps({"plugins": [], "wandb": "offline"}))
    for spec in specs[:-1]:
        mode = "offline" if spec is specs[0] else "disabled"
        job = Job.of(spec, Where(sweep.root, tmp_path / "cache"), Mirror("small", mode))
        carry_out(job, lambda rounds: None)
    wandb.teardown()  # it reads its settings once a process
    yield sweep, service
    wandb.teardown()
    service.stop()


def push(sweep):
    done = CliRunner().invoke(app, ["wandb", "push", sweep.name, "--out", str(sweep.root), "--json"])
    return done.exit_code, {what: len(runs) for what, runs in json.loads(done.stdout).items()} if done.stdout else {}


def test_runs_are_sent_from_their_files_once(swept):
    sweep, service = swept
    assert look(sweep).unmirrored == 3
    assert push(sweep) == (0, {"sent": 3, "before": 0, "unfinished": 1, "failed": 0, "gave_up": 0})
    assert look(sweep).unmirrored == 0
    asked = service.asked
    assert push(sweep) == (0, {"sent": 0, "before": 3, "unfinished": 1, "failed": 0, "gave_up": 0})
    assert service.asked == asked
    for run in sweep.runs()[:-1]:
        store, kept = sweep.root / "runs" / run.id, service.runs[run.id]
        rounds = [json.loads(path.read_bytes()) for path in sorted(store.glob("rounds/*.json"))]
        assert [row["test/accuracy"] for row in kept.history] == [each["scores"]["accuracy"] for each in rounds]
        assert kept.settings["groupName"] == "small"
        assert json.loads(kept.settings["config"])["strategy"]["value"] == run.spec["strategy"]
        (store / "wandb.json").unlink()  # as if the push had been cut off before it noted that all was sent
    assert push(sweep)[1]["sent"] == 3
    assert [len(kept.history) for kept in service.runs.values()] == [3, 3, 3]


def test_runs_of_a_suite_that_was_no_sweep_are_sent_too(swept, suite_file):
    sweep, service = swept
    (sweep.folder / "sweep.json").unlink()
    path = suite_file()
    done = CliRunner().invoke(app, ["wandb", "push", str(path), "--out", str(sweep.root), "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["sent"]) == 3 and len(service.runs) == 3
    assert {kept.settings["groupName"] for kept in service.runs.values()} == {"small"}
    done = CliRunner().invoke(app, ["wandb", "push", "small", "seeds=0..1", "--out", str(sweep.root)])
    assert done.exit_code == 2 and "go with a suite file" in done.stderr


def test_a_service_that_refuses_is_not_asked_for_ever(swept, monkeypatch):
    sweep, service = swept
    monkeypatch.setattr("labelbench_plus.tracking.wandb_mirror.INIT_SECONDS", 1.0)
    monkeypatch.setattr("labelbench_plus.sweep.push.FAILURES_IN_A_ROW", 2)
    service.refuse = True
    assert push(sweep) == (1, {"sent": 0, "before": 0, "unfinished": 1, "failed": 2, "gave_up": 1})
    assert look(sweep).unmirrored == 3


def test_a_run_that_is_being_computed_or_sent_is_left_alone(swept):
    sweep, service = swept
    busy = acquire(sweep.root / "runs" / sweep.runs()[1].id / "attempts")
    assert push(sweep) == (0, {"sent": 2, "before": 0, "unfinished": 2, "failed": 0, "gave_up": 0})
    busy.release("finished")
    other = sweep.hold("pushers")
    assert push(sweep)[0] == 3
    other.release("finished")
    assert len(service.runs) == 2


def test_a_packed_run_is_sent_once_it_is_unpacked(swept):
    sweep, _ = swept
    moved = pack(sweep.root, [run.id for run in sweep.runs()])
    assert moved.runs == 2  # W&B keeps files in the folder of the one that was mirrored offline
    done = CliRunner().invoke(app, ["wandb", "push", sweep.name, "--out", str(sweep.root)])
    assert done.exit_code == 1 and done.output.count("first lbp unpack SUITE") == 2
    unpack(sweep.root)
    assert push(sweep) == (0, {"sent": 2, "before": 1, "unfinished": 1, "failed": 0, "gave_up": 0})
    assert look(sweep).unmirrored == 0
