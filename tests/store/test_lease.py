import json
import os
import signal
import subprocess
import sys
import time

import pytest

from labelbench_plus.store import lease as lease_module
from labelbench_plus.store.lease import LeaseLost, RunBusy, acquire, attempts, conclude

HOLD = """
import sys, time
from pathlib import Path
from labelbench_plus.store.lease import acquire
acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def hold(folder) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_attempts_are_counted_and_say_how_they_ended(tmp_path):
    acquire(tmp_path).release("failed", "no luck")
    acquire(tmp_path, note=1).release("finished")
    assert [(a["ended"], a["detail"], a.get("note")) for a in attempts(tmp_path)] == [
        ("failed", "no luck", None),
        ("finished", "", 1),
    ]


def test_a_living_holder_is_left_alone_and_a_killed_one_is_replaced_at_once(tmp_path):
    holder = hold(tmp_path)
    with pytest.raises(RunBusy, match=f"process {holder.pid}"):
        acquire(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    acquire(tmp_path).release("finished")
    assert len(attempts(tmp_path)) == 2


def test_a_later_process_with_the_same_number_is_not_taken_for_the_holder(tmp_path):
    acquire(tmp_path).release("stopped")
    record = json.loads((tmp_path / "0001.json").read_bytes())
    del record["ended"]
    (tmp_path / "0001.json").write_text(json.dumps({**record, "pid": os.getpid(), "started": 1.0, "ticks": 1}))
    acquire(tmp_path).release("finished")


def test_another_machine_is_judged_by_its_heartbeat(tmp_path):
    (tmp_path / "0001.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    with pytest.raises(RunBusy, match="process 1 on elsewhere"):
        acquire(tmp_path)
    old = time.time() - lease_module.STALE_SECONDS - 5
    os.utime(tmp_path / "0001.json", (old, old))
    acquire(tmp_path).release("finished")


def test_the_heart_beats_while_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_module, "HEARTBEAT_SECONDS", 0.02)
    held = acquire(tmp_path)
    os.utime(tmp_path / "0001.json", (0, 0))
    deadline = time.monotonic() + 600
    while os.stat(tmp_path / "0001.json").st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert os.stat(tmp_path / "0001.json").st_mtime > 0
    held.release("finished")


def test_a_holder_that_was_replaced_finds_out(tmp_path):
    held = acquire(tmp_path)
    held.check()
    (tmp_path / "0002.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    with pytest.raises(LeaseLost, match="attempt 2 took over"):
        held.check()
    held.release("stopped")


def test_of_many_that_want_the_same_run_one_gets_it(tmp_path):
    race, pipe = HOLD.replace("time.sleep(60)", "sys.stdin.read()"), subprocess.PIPE
    racers = [
        subprocess.Popen([sys.executable, "-c", race, str(tmp_path)], stdin=pipe, stdout=pipe, stderr=pipe)
        for _ in range(6)
    ]
    deadline = time.monotonic() + 600
    while sum(racer.poll() is None for racer in racers) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # the holder holds until all others have asked
    outputs = [racer.communicate() for racer in racers]
    assert sum(out == b"held\n" for out, _ in outputs) == 1
    assert sum(b"RunBusy" in err for _, err in outputs) == 5


def test_a_scheduler_knows_more_than_a_heartbeat(tmp_path):
    record = {"host": "elsewhere", "pid": 1, "started": 1.0, "job": "7_1"}
    (tmp_path / "0001.json").write_text(json.dumps(record))
    old = time.time() - lease_module.STALE_SECONDS - 5
    os.utime(tmp_path / "0001.json", (old, old))
    with pytest.raises(RunBusy, match="job 7_1"):
        acquire(tmp_path, lambda holder: True)  # suspended, say: it does not beat, and will go on
    os.utime(tmp_path / "0001.json")
    with pytest.raises(RunBusy):
        acquire(tmp_path, lambda holder: None)
    acquire(tmp_path, lambda holder: False).release("finished")  # an earlier start of our own job: no need to wait


def test_who_could_not_say_how_it_ended_is_spoken_for(tmp_path):
    holder = hold(tmp_path)
    conclude(tmp_path, "failed", "too early")
    assert "ended" not in attempts(tmp_path)[0]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    conclude(tmp_path, "failed", "killed", failure={"kind": "resources"})
    conclude(tmp_path, "stopped", "too late")
    assert attempts(tmp_path)[0] | {"ended": "failed", "detail": "killed"} == attempts(tmp_path)[0]
    conclude(tmp_path / "nowhere", "failed", "nobody")
