"""What happens to sweeps on a real scheduler. Waits are long and nothing is timed: the machine may be slow."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import psutil
import pytest

from labelbench_plus.sweep.folder import Sweep
from labelbench_plus.sweep.state import look
from tests.sweep.conftest import PLUGINS

pytestmark = pytest.mark.usefixtures("cluster")
SLURM = ("-l", "slurm", "--set", "time=30m", "--set", "warning=60s")
PATIENCE = 400


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.3)


def ended(bench, name):
    counts = bench.status(name)["counts"]
    return not {"RUNNING", "PENDING", "REQUEUED", "UNKNOWN"} & set(counts)


def slurm(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def rounds(bench):
    return len(list(bench.out.glob("runs/*/rounds/[0-9]*.json")))


def attempts(bench):
    return [json.loads(path.read_bytes()) for path in sorted(bench.out.glob("runs/*/attempts/[0-9]*.json"))]


class Watch:
    """Asks for the state of every run again and again, and keeps what it was told."""

    def __init__(self, bench, name):
        self.seen = {}
        self._sweep, self._stop = Sweep(bench.out, name), threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        last = False
        while not last:
            last = self._stop.wait(0.5)
            for each in look(self._sweep, fresh=True).runs:
                states = self.seen.setdefault(each.run.strategy, {}).setdefault(each.run.id, [])
                if each.state not in states[-1:]:
                    states.append(each.state.value)

    def __enter__(self):
        self._thread.start()
        return self.seen

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join()


def test_twenty_five_runs_over_three_arrays_with_some_that_fail(bench):
    suite = bench.suite("arrays", "random, margin, raises, slow", rounds=2, seeds="0..5")
    submitters = [
        bench.start("submit", suite, "--plugin", PLUGINS, "--allow-code-drift", *SLURM, "--set", "pack.runs_per_job=1")
        for _ in range(2)
    ]
    until(lambda: (bench.out / "sweeps/arrays/sweep.json").exists(), "a submission")
    with Watch(bench, "arrays") as seen:
        codes = sorted(process.wait(PATIENCE) for process in submitters)
        assert codes in ([0, 0], [0, 3])  # the second found all submitted, or the first at work
        until(lambda: ended(bench, "arrays"), "all runs to end")
    submissions = Sweep(bench.out, "arrays").submissions()
    assert [len(each.tasks) for each in submissions] == [11, 11, 2]
    assert bench.status("arrays")["counts"] == {"DONE": 18, "FAILED": 6}
    assert bench.files() | bench.undisturbed(suite) == bench.files()
    for strategy, runs in seen.items():
        allowed = {"PENDING", "REQUEUED", "RUNNING", "NEW"} | ({"FAILED"} if strategy == "raises" else {"DONE"})
        for states in runs.values():
            assert set(states) <= allowed, (strategy, states)
            assert "NEW" not in states[1:]
    assert all(len(list(run.glob("attempts/*.json"))) == 1 for run in bench.out.glob("runs/*"))
    report = bench.lbp("status", "arrays", "--failed")
    assert report.returncode == 1
    assert "6 of 24 failed in plugins_under_test.py" in report.stdout
    assert "0 new" in bench.submit(suite, *SLURM).stdout
    assert "nothing to submit" in bench.lbp("resume", "arrays").stdout


def start_slow(bench, name):
    """A run of eight rounds that is under way: its suite, its job and its node."""
    suite = bench.suite(name, "slow", rounds=8, seeds="[0]", initial="slow")
    done = bench.submit(suite, *SLURM, env={"LBP_TEST_SLEEP": "1.2"})
    assert done.returncode == 0, done.stderr
    until(lambda: rounds(bench) >= 2, "two rounds")
    job = Sweep(bench.out, name).submissions()[0].job
    return suite, job, slurm("squeue", "-h", "-r", "-j", job, "-o", "%N").strip()


def test_a_preempted_run_goes_on_to_the_same_curve(bench):
    suite, _, node = start_slow(bench, "preempted")
    with Watch(bench, "preempted") as seen:
        slurm("sbatch", "-p", "urgent", "-w", node, "--exclusive", "-t", "5", "--output=/dev/null", "--wrap", "sleep 3")
        until(lambda: ended(bench, "preempted"), "the run to end")
    (states,) = seen["slow"].values()
    assert states[-1] == "DONE"
    assert "REQUEUED" in states
    assert set(states) <= {"RUNNING", "REQUEUED", "DONE"}
    first, *_, last = attempts(bench)
    assert (first["ended"], first["detail"]) == ("stopped", "preempted")
    assert last["restart"] > first["restart"]
    assert first["job"] == last["job"]
    assert bench.files() == bench.undisturbed(suite)


def test_a_node_that_dies_costs_one_round(bench, cluster):
    suite, job, node = start_slow(bench, "dead_node")
    with Watch(bench, "dead_node") as seen:
        daemon = psutil.Process(int((cluster / "run" / f"slurmd-{node}.pid").read_text()))
        steps = [
            p for p in psutil.process_iter(["cmdline"]) if f"slurmstepd: [{job}." in " ".join(p.info["cmdline"] or [])
        ]
        assert steps
        doomed = [daemon, *[child for step in steps for child in (*step.children(recursive=True), step)]]
        for process in doomed:
            process.suspend()  # or the step would have time to report how its job ended
        for process in doomed:
            process.kill()
        until(lambda: ended(bench, "dead_node"), "the run to end on another node")
    (states,) = seen["slow"].values()
    assert states[-1] == "DONE"
    assert set(states) <= {"RUNNING", "REQUEUED", "DONE"}
    first, last = attempts(bench)
    assert "ended" not in first
    assert first["node"] == node != last["node"]
    assert bench.files() == bench.undisturbed(suite)
    subprocess.run(["slurmd", "-N", node, "-f", cluster / "slurm.conf"], check=True)


def test_a_job_cancelled_behind_our_back_is_lost_and_resumed(bench):
    suite, job, _ = start_slow(bench, "lost")
    with Watch(bench, "lost") as seen:
        slurm("scancel", job)
        until(lambda: bench.status("lost")["counts"] == {"LOST": 1}, "the run to be lost")
        assert "the scheduler says CANCELLED" in bench.lbp("status", "lost").stdout
        (run,) = bench.status("lost")["runs"]
        assert "; now LOST: the scheduler says CANCELLED" in bench.lbp("logs", run["run"]).stderr
        assert "0 new" in bench.submit(suite, *SLURM).stdout
        assert "to submit: 1 run " in bench.lbp("resume", "lost").stdout
        until(lambda: ended(bench, "lost"), "the run to end")
    (states,) = seen["slow"].values()
    assert states[-1] == "DONE"
    assert states.count("LOST") <= 1  # a slow look can miss it; that it was lost has been seen above
    assert states.count("DONE") == 1
    assert set(states) <= {"RUNNING", "LOST", "PENDING", "DONE"}
    assert bench.status("lost")["counts"] == {"DONE": 1}
    assert bench.files() == bench.undisturbed(suite)


def test_a_cancelled_run_stays_cancelled_though_its_job_is_requeued(bench):
    _, job, _ = start_slow(bench, "cancelled")
    with Watch(bench, "cancelled") as seen:
        assert bench.lbp("cancel", "cancelled").returncode == 0
        assert bench.lbp("cancel", "cancelled").returncode == 0
        until(lambda: bench.status("cancelled")["counts"] == {"CANCELLED": 1}, "the run to stop")
        kept = rounds(bench)
        assert kept >= 2
        until(lambda: slurm("squeue", "-h", "-j", job).strip() == "", "the job to be gone")
        slurm("scontrol", "requeue", f"{job}_0")
        until(lambda: slurm("squeue", "-h", "-j", job).strip() == "", "the requeued job to end")
    (states,) = seen["slow"].values()
    assert states in (["RUNNING", "CANCELLED"], ["CANCELLED"])
    assert rounds(bench) == kept


def test_a_full_disk_costs_nothing_but_time(bench):
    mount = bench.folder / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        bench.folder = mount
        suite, _, _ = start_slow(bench, "full")
        whole = bench.files()
        with Watch(bench, "full") as seen:
            filler = mount / "filler"
            with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 512)
            until(lambda: ended(bench, "full"), "the run to end")
            assert set(bench.status("full")["counts"]) <= {"FAILED", "LOST"}
            filler.unlink()
            assert bench.lbp("resume", "full").returncode == 0
            until(lambda: ended(bench, "full"), "the run to end well")
        (states,) = seen["slow"].values()
        assert states[-1] == "DONE"
        # A full disk is the place's fault: until its job is gone from the queue it may still be about to try again.
        assert set(states) <= {"RUNNING", "REQUEUED", "PENDING", "FAILED", "LOST", "DONE"}
        files = bench.files()
        assert whole.items() <= files.items()  # nothing that was committed before changed
        bench.folder = mount.parent
        assert files == bench.undisturbed(suite)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_round_that_does_not_fit_a_job_is_given_up(bench):
    suite = bench.suite("stuck", "stuck", rounds=1, seeds="[0]", initial="stuck")
    settings = ("-l", "slurm", "--set", "time=1m", "--set", "warning=55s", "--set", "idle_attempts=1")
    assert bench.submit(suite, *settings).returncode == 0
    with Watch(bench, "stuck") as seen:
        until(lambda: ended(bench, "stuck"), "the run to be given up")
    (states,) = seen["stuck"].values()
    assert set(states) <= {"PENDING", "RUNNING", "REQUEUED", "FAILED"}
    (run,) = bench.status("stuck")["runs"]
    assert run["state"] == "FAILED"
    assert run["note"].startswith("NoProgress: 1 attempts in a row were cut off before a round was committed")
    assert "raise the launcher's `time`" in bench.lbp("status", "stuck").stdout
    assert "nothing to submit" in bench.lbp("resume", "stuck").stdout


DIE_BEFORE_ACK = """
import os, sys
from labelbench_plus.sweep import folder
note = folder.Sweep.note
def dying(self, **event):
    if event["event"] == "ack":
        os.kill(os.getpid(), 9)
    note(self, **event)
folder.Sweep.note = dying
from labelbench_plus.cli import main
main()
"""


def test_a_submitter_that_dies_before_it_noted_the_answer(bench):
    suite = bench.suite("orphan", rounds=1, seeds="[0]")
    arguments = bench.command("submit", suite, "--plugin", PLUGINS, "--allow-code-drift", *SLURM)
    died = subprocess.run([sys.executable, "-c", DIE_BEFORE_ACK, *arguments], capture_output=True)
    assert died.returncode == -9
    with Watch(bench, "orphan") as seen:
        again = bench.submit(suite, *SLURM)
        assert "had been submitted as b0001" in again.stdout
        assert "0 new" in again.stdout
        until(lambda: ended(bench, "orphan"), "the runs to end")
    assert {state for runs in seen.values() for states in runs.values() for state in states} <= {
        *("PENDING", "RUNNING", "DONE")
    }
    assert bench.status("orphan")["counts"] == {"DONE": 2}
    assert bench.files() == bench.undisturbed(suite)


def test_the_doctor_finds_the_cluster_well(bench):
    done = bench.lbp("doctor", "-l", "slurm", "--set", "time=1h", "--set", "partition=main", "--probe", PATIENCE)
    assert done.returncode == 0, done.stdout
    assert "MaxArraySize" in done.stdout
    assert "a name taken elsewhere is refused" in done.stdout
