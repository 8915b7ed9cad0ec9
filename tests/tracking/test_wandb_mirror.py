import json

import pytest

from labelbench_plus.launch.job import Job, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from labelbench_plus.tracking.wandb_mirror import mirrored
from tests.tracking.wandb_file import read


@pytest.fixture
def job(suite_file, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    spec = load_suite(suite_file()).runs()[1]

    def make(wandb, root="out"):
        return Job(spec.id, spec.as_json(), str(spec), tmp_path / root, tmp_path / "cache", "cpu", (), "small", wandb)

    return make


def mirrors(folder):
    return sorted(folder.glob("wandb/offline-run-*/*.wandb"))


def test_an_offline_mirror_says_what_the_files_say(job, tmp_path):
    assert carry_out(job("offline"), lambda rounds: None) == "finished"
    store = RunStore(tmp_path / "out", job("offline").run_id)
    (path,) = mirrors(store.folder)
    mirror, rounds = read(path), store.rounds()
    assert mirror.id == store.id
    assert mirror.group == "small"
    assert mirror.config["strategy"]["name"] == "margin"
    assert [row["num_labels"] for row in mirror.history] == [20, 30, 40]
    assert [row["test/accuracy"] for row in mirror.history] == [r.scores["accuracy"] for r in rounds]
    assert [row["cost/train_seconds"] for row in mirror.history] == [c["train_seconds"] for c in store.costs()]
    assert json.loads((store.folder / "wandb.json").read_bytes()) == {"mode": "offline", "rounds": 3}


def test_a_finished_run_can_be_mirrored_later_and_only_once(job, tmp_path):
    carry_out(job("disabled"), lambda rounds: None)
    folder = RunStore(tmp_path / "out", job("offline").run_id).folder
    assert not mirrored(folder)
    assert carry_out(job("offline"), lambda rounds: None) == "already done"
    assert carry_out(job("offline"), lambda rounds: None) == "already done"
    (path,) = mirrors(folder)
    assert len(read(path).history) == 3


def test_an_online_mirror_sends_each_round_once_however_often_it_is_told(job, tmp_path, monkeypatch):
    """W&B's service cannot be had here, so its client is stood in for; the calls are the ones it documents."""

    class Run:
        def __init__(self):
            self.summary, self.rows, self.closed = {}, [], False

        def log(self, row):
            self.rows.append(row)
            self.summary.update(row)

        def define_metric(self, *arguments, **keywords):
            pass

        def finish(self):
            self.closed = True

    service = Run()
    opened = []
    monkeypatch.setattr("wandb.init", lambda **keywords: opened.append(keywords) or service)
    carry_out(job("online"), lambda rounds: None)
    carry_out(job("online", root="again"), lambda rounds: None)  # as after a resume: every round is told again
    assert [row["round"] for row in service.rows] == [0, 1, 2]
    assert opened[0]["id"] == job("online").run_id
    assert opened[0]["resume"] == "allow"
    assert service.closed


def test_a_dead_wandb_costs_a_warning_and_nothing_else(job, tmp_path, monkeypatch, capsys):
    def unreachable(**keywords):
        raise TimeoutError("no network")

    monkeypatch.setattr("wandb.init", unreachable)
    assert carry_out(job("online"), lambda rounds: None) == "finished"
    store = RunStore(tmp_path / "out", job("online").run_id)
    assert store.done
    assert not mirrored(store.folder)
    assert capsys.readouterr().err.count("is not mirrored to W&B: no network") == 1
