"""Who holds a run: a process by its boot, namespace, number and starting tick; a heartbeat is dated by one clock."""

import json
import os
import subprocess
import sys
import time

import pytest

from labelbench_plus.store import holder, lease
from labelbench_plus.store.lease import GIVEN_UP, STALE_SECONDS, RunBusy, acquire, attempts
from tests.store.test_lease import HOLD, hold

LINUX = pytest.mark.skipif(not os.path.exists("/proc/self/ns/pid"), reason="boots and namespaces are told by Linux")


def rewrite(folder, number=1, **changes):
    path = folder / f"{number:04d}.json"
    record = {**json.loads(path.read_bytes()), **changes}
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not None}))


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def held(tmp_path):
    """A folder whose lease a living process holds that does not beat while this is tested."""
    process = hold(tmp_path)
    yield tmp_path
    process.kill()
    process.wait()


@LINUX
def test_a_step_of_the_clock_makes_nobody_dead(held, monkeypatch):
    """It moves the time at which psutil says a process started, since that is counted from the boot."""
    rewrite(held, started=attempts(held)[0]["started"] - 2)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    age(held / "0001.json", 10 * STALE_SECONDS)
    with pytest.raises(RunBusy, match="is being computed by process"):
        acquire(held)


@LINUX
@pytest.mark.parametrize(
    "other", [{"boot": "11111111-2222"}, {"namespace": 1}, {"host": "elsewhere"}, {"boot": None, "namespace": None}]
)
def test_who_cannot_be_seen_from_here_is_judged_by_the_heartbeat(tmp_path, other):
    """A number that nobody has here says nothing of another boot, another container, or of an old version's record."""
    acquire(tmp_path).release("stopped")
    rewrite(tmp_path, ended=None, pid=2**22 + 1, **other)
    os.utime(tmp_path / "0001.json")
    with pytest.raises(RunBusy):
        acquire(tmp_path)
    age(tmp_path / "0001.json", STALE_SECONDS + 5)
    acquire(tmp_path).release("finished")


@LINUX
def test_a_living_process_in_another_container_of_the_same_name_keeps_its_run(tmp_path, monkeypatch):
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", HOLD, str(tmp_path)]
    if os.geteuid():
        command[1:1] = ["--user", "--map-root-user"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        pytest.skip("needs unshare(1)")
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "held\n":
            pytest.skip("needs the right to make namespaces")
        (record,) = attempts(tmp_path)
        assert record["host"] == holder.identity()["host"]
        assert record["boot"] == holder.identity()["boot"]
        assert record["namespace"] != holder.identity()["namespace"]
        with pytest.raises(RunBusy):
            acquire(tmp_path)
    finally:
        process.kill()
        process.wait()
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.0)  # from now on nobody beats
    acquire(tmp_path).release("finished")


@LINUX
def test_a_process_that_ended_and_was_not_waited_for_is_gone(tmp_path):
    process = hold(tmp_path)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    acquire(tmp_path).release("finished")
    process.wait()


@LINUX
def test_where_other_users_processes_are_hidden_the_heartbeat_decides(held, monkeypatch):
    def hidden(pid):
        if pid == "self":
            return "R", holder.identity()["ticks"]
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(holder, "_stat", hidden)
    with pytest.raises(RunBusy):
        acquire(held)
    age(held / "0001.json", STALE_SECONDS + 5)
    acquire(held).release("finished")


def test_heartbeats_are_aged_by_the_clock_that_dates_them(tmp_path, monkeypatch):
    (tmp_path / "0001.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    monkeypatch.setattr(time, "time", lambda: 4e9)  # this machine's is wrong by decades
    with pytest.raises(RunBusy):
        acquire(tmp_path)


def test_a_heartbeat_from_the_future_is_the_last_unless_another_comes(tmp_path):
    record = tmp_path / "0001.json"
    record.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    age(record, -24 * 3600)
    with pytest.raises(RunBusy):
        acquire(tmp_path)
    assert abs(record.stat().st_mtime - time.time()) < 60  # so that it gets old
    age(record, STALE_SECONDS + 5)
    acquire(tmp_path).release("finished")


def test_a_heartbeat_from_the_future_that_cannot_be_changed_ends_at_once(tmp_path, monkeypatch):
    record = tmp_path / "0001.json"
    record.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    age(record, -24 * 3600)

    def refused(path, times=None):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refused)
    acquire(tmp_path).release("finished")


def test_a_process_holds_nothing_that_it_lost_track_of(tmp_path):
    """As when the answer to its taking of the run was lost, and with it the lease."""
    lost = acquire(tmp_path)
    with pytest.raises(RunBusy):
        acquire(tmp_path)
    lost._stop.set()
    lease._held.clear()
    acquire(tmp_path).release("finished")
    assert "ended" not in attempts(tmp_path)[0]


def test_what_was_given_up_is_held_by_nobody_wherever_its_process_is(tmp_path):
    (tmp_path / "0001.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    os.utime(tmp_path / "0001.json", (GIVEN_UP, GIVEN_UP))
    acquire(tmp_path).release("finished")


def test_a_child_is_not_its_parent(tmp_path):
    ours = acquire(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            acquire(tmp_path)
        except RunBusy:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    ours.release("finished")


@LINUX
def test_a_process_has_one_name_whatever_the_clock_says(monkeypatch):
    import psutil

    name = holder.process_name(os.getpid())
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 1.0)
    assert holder.process_name(os.getpid()) == name
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert holder.process_name(ended.pid).endswith(":")
