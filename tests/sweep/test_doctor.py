import errno
import json

import pytest

from labelbench_plus.store import atomic
from labelbench_plus.sweep.doctor import check_files, check_wandb
from tests.store.faults import Fault, failing
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


def test_a_place_without_links_or_synced_folders_is_worth_knowing_and_one_that_refuses_no_name_is_bad(
    tmp_path, monkeypatch
):
    def told():
        return {what: (well, words) for what, well, words in check_files(tmp_path / "out")}

    assert told()["hard links"][0] is told()["publish"][0] is True

    def unsynced(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("labelbench_plus.sweep.doctor.os.fsync", unsynced)
    monkeypatch.setattr("labelbench_plus.store.atomic.sync", lambda path: None)
    assert told()["folder sync"] == (None, told()["folder sync"][1])
    assert "computed again" in told()["folder sync"][1]
    with failing(Fault(tmp_path, 0, errno.EPERM, "from then on", only=("link",))):
        found = told()
        assert found["publish"][0] is True
        assert found["hard links"][0] is None and "renameat2" in found["hard links"][1]
        monkeypatch.setattr(atomic, "rename_if_free", lambda old, new: unsynced(0))
        well, words = told()["file system"]
        assert well is False and "neither hard links nor a rename" in words


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
