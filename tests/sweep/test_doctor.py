import json

import pytest

from labelbench_plus.sweep.doctor import check_wandb
from tests.tracking.wandb_service import Service


@pytest.fixture
def service(monkeypatch):
    running = Service()
    monkeypatch.setenv("WANDB_BASE_URL", running.url)
    yield running
    running.stop()


def test_a_job_looks_around_where_runs_will_be_computed(bench, service):
    done = bench.lbp("doctor", "--probe", 120, "--json")
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["probe job"]["found"].startswith("ran on")
    seen = {check.partition(" on ")[0] for check in found if " on " in check}
    assert {"lease", "replace", "cache", "code", "W&B"} <= seen
    assert not list(bench.out.iterdir())


def test_a_job_that_does_not_answer_is_told(bench):
    done = bench.lbp("doctor", "--probe", 60, "--set", "python=/usr/bin/false", "--json")
    assert done.returncode == 1
    (answer,) = [each for each in json.loads(done.stdout) if each["check"] == "probe job"]
    assert answer["ok"] is False
    assert "it ended without an answer" in answer["found"]


def test_whether_wandb_is_to_be_had(service, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert check_wandb() == [("W&B", True, f"{service.url} answers")]
    service.refuse = True
    assert check_wandb()[0][1] is True  # it is there; that it is busy now says nothing of later
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", "/nowhere")
    assert check_wandb()[0][1:] == (None, f"{service.url} answers, but there is no key: wandb login")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    (_, well, words) = check_wandb()[0]
    assert well is None
    assert "push later" in words
