import json
import time
from dataclasses import replace

import pytest
import wandb

from labelbench_plus.running.job import Job, Mirror, Where, carry_out
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from labelbench_plus.tracking.note import mirrored
from labelbench_plus.tracking.wandb_mirror import cut
from tests.tracking.wandb_file import read
from tests.tracking.wandb_service import Service


@pytest.fixture
def job(suite_file, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    spec = load_suite(suite_file()).runs()[1]

    def make(wandb, root="out"):
        return Job.of(spec, Where(tmp_path / root, tmp_path / "cache"), Mirror("small", wandb))

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


def test_the_labels_of_an_allocation_are_counted_and_not_its_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    spec = load_suite("source_tasks_known", ["seeds=[0]", "strategies=[uniform_sources]"]).runs()[0]
    job = Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"), Mirror("known", "offline"))
    assert carry_out(job, lambda rounds: None) == "finished"
    store = RunStore(tmp_path / "out", spec.id)
    (path,) = mirrors(store.folder)
    bought = [int(record.purchase.counts.sum()) for record in store.rounds()]
    assert bought[0] > len(store.rounds()[0].purchase.items)
    assert [row["num_labels"] for row in read(path).history] == [sum(bought[: n + 1]) for n in range(len(bought))]


def test_the_variables_of_a_wandb_agent_make_no_two_runs_one(job, tmp_path, monkeypatch):
    wandb.teardown()  # it reads its settings once a process
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_ID"):
        monkeypatch.setenv(name, "theirs")
    wandb.setup()
    carry_out(job("offline"), lambda rounds: None)
    store = RunStore(tmp_path / "out", job("offline").run_id)
    (path,) = mirrors(store.folder)
    assert read(path).id == store.id
    wandb.teardown()


def test_what_is_cut_keeps_its_beginning_and_stays_apart():
    long = "density_weighted_uncertainty(neighbours=25, temperature=0.07, similarity=euclidean)"
    assert cut("margin", 64) == "margin"
    assert len(cut(long, 64)) == 64 and cut(long, 64).startswith("density_weighted_uncertainty(neighbours=25")
    assert cut(long, 64) != cut(long.replace("euclidean", "cosine   "), 64)


def test_a_finished_run_can_be_mirrored_later_and_only_once(job, tmp_path):
    carry_out(job("disabled"), lambda rounds: None)
    folder = RunStore(tmp_path / "out", job("offline").run_id).folder
    assert not mirrored(folder)
    assert carry_out(job("offline"), lambda rounds: None) == "already done"
    assert carry_out(job("offline"), lambda rounds: None) == "already done"
    (path,) = mirrors(folder)
    assert len(read(path).history) == 3


@pytest.fixture
def service(monkeypatch):
    """The real client, and a stand-in for the service that it talks to."""
    running = Service()
    monkeypatch.setenv("WANDB_BASE_URL", running.url)
    wandb.teardown()  # it reads its settings once a process
    yield running
    wandb.teardown()
    running.stop()


def test_an_online_mirror_sends_each_round_once_however_often_it_is_told(job, tmp_path, service):
    carry_out(job("online"), lambda rounds: None)
    carry_out(job("online", root="again"), lambda rounds: None)  # as after a resume: every round is told again
    ((run_id, kept),) = service.runs.items()
    assert run_id == job("online").run_id
    assert [row["round"] for row in kept.history] == [0, 1, 2]
    assert [row["num_labels"] for row in kept.history] == [20, 30, 40]
    assert json.loads(kept.summary)["lbp/last_round"] == 2
    assert (kept.settings["groupName"], kept.settings["jobType"]) == ("small", "margin")
    assert kept.exits == [0, 0]
    assert mirrored(RunStore(tmp_path / "out", run_id).folder) == "online"


def test_what_was_mirrored_offline_can_still_be_sent(job, tmp_path, service):
    assert carry_out(job("offline"), lambda rounds: None) == "finished"
    assert not service.runs
    assert carry_out(job("online"), lambda rounds: None) == "already done"
    asked = service.asked
    assert carry_out(job("online"), lambda rounds: None) == "already done"
    assert service.asked == asked
    (kept,) = service.runs.values()
    assert len(kept.history) == 3


def test_a_run_that_is_stopped_says_so_and_goes_on_later(job, service):
    def told_to_stop(rounds):
        if rounds == 2:
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        carry_out(job("online"), told_to_stop)
    (kept,) = service.runs.values()
    assert kept.preempting
    assert kept.exits == [1]
    assert carry_out(job("online"), lambda rounds: None) == "finished"
    assert [row["round"] for row in kept.history] == [0, 1, 2]


def test_wandb_is_left_alone_until_it_is_this_jobs_turn(job, service):
    due = time.time() + 3
    carry_out(
        replace(job("online"), mirror=Mirror("small", "online", due)),
        lambda rounds: service.asked and time.time() < due and pytest.fail("too early"),
    )
    assert time.time() >= due
    (kept,) = service.runs.values()
    assert [row["round"] for row in kept.history] == [0, 1, 2]


def test_a_wandb_that_refuses_costs_a_warning_and_nothing_else(job, tmp_path, service, monkeypatch, capsys):
    monkeypatch.setattr("labelbench_plus.tracking.wandb_mirror.INIT_SECONDS", 2.0)
    service.refuse = True
    assert carry_out(job("online"), lambda rounds: None) == "finished"
    store = RunStore(tmp_path / "out", job("online").run_id)
    assert store.done
    assert service.asked
    assert not mirrored(store.folder)
    assert capsys.readouterr().err.count(f"run {store.id} is not mirrored to W&B") == 1


def test_a_wandb_that_goes_away_half_way_costs_a_warning(job, tmp_path, service, monkeypatch, capsys):
    monkeypatch.setattr("labelbench_plus.tracking.wandb_mirror.FINISH_SECONDS", 2.0)

    def gone(rounds):
        service.refuse = rounds >= 2

    assert carry_out(job("online"), gone) == "finished"
    store = RunStore(tmp_path / "out", job("online").run_id)
    assert store.done
    assert not mirrored(store.folder)
    assert "is not mirrored to W&B: Timed out finishing run" in capsys.readouterr().err
    service.refuse = False
    assert carry_out(job("online"), lambda rounds: None) == "already done"
    (kept,) = service.runs.values()
    assert [row["round"] for row in kept.history] == [0, 1, 2]
