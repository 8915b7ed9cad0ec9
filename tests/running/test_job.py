import dataclasses

import pytest

from labelbench_plus.launchers.slurm import Slurm
from labelbench_plus.running.job import Noted, still_exists
from labelbench_plus.running.local import run_local
from labelbench_plus.store.run_store import RunStore
from tests.running.test_local import jobs

ME = {"launcher": "slurm", "job": "7_1", "restart": 2}


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(Slurm, "exists", classmethod(lambda cls, job, restart: (job, restart) == ("8_0", 1)))


def test_an_earlier_start_of_the_same_job_is_over(known):
    assert still_exists({**ME, "restart": 1}, ME) is False
    assert still_exists({**ME, "restart": 2}, ME) is None


def test_a_scheduler_can_prolong_another_jobs_lease_but_not_end_it(known):
    assert still_exists({"launcher": "slurm", "job": "8_0", "restart": 1}, ME) is True
    assert still_exists({"launcher": "slurm", "job": "8_0", "restart": 0}, ME) is None
    assert still_exists({"launcher": "slurm", "job": "9_0", "restart": 0}, ME) is None


def test_whoever_has_no_job_is_judged_by_the_heartbeat():
    assert still_exists({"host": "elsewhere"}, ME) is None


def small(suite_file):
    return suite_file(("logistic_regression", "{name: mlp, steps: 2, hidden: 4}"), ("0..1", "[0]"))


def test_jobs_can_be_withheld_and_revoked(suite_file, tmp_path, monkeypatch):
    monkeypatch.setattr("labelbench_plus.running.local.POLL_SECONDS", 0.1)
    todo = jobs(small(suite_file), tmp_path)
    events = []
    running = set()

    def follow(event):
        events.append((event.job.spec["strategy"]["name"], event.state))
        if event.state == "started":
            running.add(event.job.run_id)

    run_local(
        todo,
        1,
        follow,
        may_start=lambda job: job.spec["strategy"]["name"] != "random",
        revoked=lambda job: job.run_id in running,
    )
    assert ("random", "withheld") in events
    assert ("margin", "revoked") in events
    assert not RunStore(tmp_path, todo[1].run_id).done


def test_what_an_attempt_prints_can_be_kept_beside_it(suite_file, tmp_path):
    (job,) = [each for each in jobs(small(suite_file), tmp_path) if each.spec["strategy"]["name"] == "random"]
    run_local([dataclasses.replace(job, noted=Noted({"job": "7_1"}, log=True))], 1, lambda event: None)
    folder = RunStore(tmp_path, job.run_id).folder / "attempts"
    assert (folder / "0001.log").is_file()
    assert b'"job": "7_1"' in (folder / "0001.json").read_bytes()
