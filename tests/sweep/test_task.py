import errno
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from labelbench_plus.plugins import load_plugin_file
from labelbench_plus.running.local import LEFT, WORKER_DIED, Event
from labelbench_plus.store import lease as lease_module
from labelbench_plus.store.lease import acquire, attempts
from labelbench_plus.suite import load_suite
from labelbench_plus.sweep.folder import Sweep, SweepRun
from labelbench_plus.sweep.report import print_failures, print_status
from labelbench_plus.sweep.state import State, look
from labelbench_plus.sweep.submit import unfinished
from labelbench_plus.sweep.task import INFRA_TRIES, SweepTask, idle_attempts, wandb_delay
from tests.store.faults import Fault, failing

from .conftest import PLUGINS

ANNOTATED = Path(__file__).parents[1] / "running" / "annotated_later.py"
DESCRIBED = """\
suite: described
problems: [annotated_later]
trainers: [counting]
strategies: [random]
budget: {first: 4, batch: 3, rounds: 3}
seeds: [0]
"""


@pytest.fixture
def task(bench):
    """Write a batch of one job with all runs of a suite, and carry it out in this process."""

    def make(suite, **changes) -> SweepTask:
        sweep = Sweep(bench.out, suite.stem)
        runs = [SweepRun.of(spec) for spec in load_suite(suite).runs()]
        settings = {
            "root": str(bench.out),
            "cache": os.environ["LBP_CACHE"],
            "plugins": [str(PLUGINS)],
            "wandb": "disabled",
            "launcher": "local",
            "device": "cpu",
            "concurrent": 2,
            "cores": 2,
            "time_limit": None,
            "notice": 0,
            "expected_seconds": None,
            "idle_attempts": 2,
            "code": None,
            **changes,
        }
        if not sweep.runs():
            sweep.folder.mkdir(parents=True)
            sweep.add_runs(runs)
            (sweep.folder / "sweep.json").write_text(json.dumps({"plugins": [str(PLUGINS)]}))
        batch = f"b{len(sweep.submissions()) + 1:04d}"
        sweep.write_batch(batch, settings, [runs])
        built = SweepTask(sweep.batch_path(batch), 0)
        sweep.note(event="intent", batch=batch, launcher={"name": "local"}, tasks=[[run.id for run in runs]])
        sweep.note(event="ack", batch=batch, job=built.about["job"])
        return built

    return make


def states(bench, name):
    """By strategy, as if the job's process were gone."""
    sweep = Sweep(bench.out, name)
    lines = (sweep.folder / "submissions.jsonl").read_text().replace(f":{os.getpid()}:", ":1:")
    (sweep.folder / "submissions.jsonl").write_text(lines)
    return {each.run.strategy: (each.state, each.note) for each in look(sweep, fresh=True).runs}


def folder(bench, suite, strategy):
    return next(bench.out / "runs" / spec.id for spec in load_suite(suite).runs() if spec.strategy.name == strategy)


def test_runs_share_a_job_and_one_that_fails_harms_no_other(bench, task):
    suite = bench.suite("shared", "random, raises, margin", seeds="[0]")
    assert task(suite).run() == 1
    found = states(bench, "shared")
    assert found["random"][0] == found["margin"][0] == State.DONE
    assert found["raises"] == (State.FAILED, "ZeroDivisionError: on purpose")
    assert bench.files() | bench.undisturbed(suite) == bench.files()
    costs = json.loads((folder(bench, suite, "random") / "costs" / "0001.json").read_bytes())
    assert costs["concurrency"] == 1  # two at a time, on two cores
    record = attempts(folder(bench, suite, "raises") / "attempts")[-1]
    assert record["failure"] == {
        "type": "ZeroDivisionError",
        "where": f"plugins_under_test.py:{line_of('on purpose')}",
        "kind": "code",
    }
    assert "on purpose" in (folder(bench, suite, "raises") / "attempts" / "0001.log").read_text()
    shown = bench.lbp("status", "shared")
    assert shown.returncode == 1
    assert "1 of 3 failed in plugins_under_test.py" in shown.stdout


def line_of(text):
    return next(n for n, line in enumerate(PLUGINS.read_text().splitlines(), start=1) if text in line)


def test_the_machines_faults_are_tried_again_and_the_codes_are_not(bench, task, tmp_path, monkeypatch):
    monkeypatch.setattr("labelbench_plus.sweep.task.RETRY_SECONDS", 0)
    monkeypatch.setenv("LBP_TEST_FLAKY", str(tmp_path / "marks"))
    (tmp_path / "marks").mkdir()
    suite = bench.suite("retried", "flaky, raises", rounds=2, seeds="[0]")
    assert task(suite, concurrent=1).run() == 1
    ends = [attempt["ended"] for attempt in attempts(folder(bench, suite, "flaky") / "attempts")]
    assert ends == ["failed", "failed", "finished"]
    assert len(attempts(folder(bench, suite, "raises") / "attempts")) == 1
    assert task(suite).run() == 1  # a new submission tries once more
    assert len(attempts(folder(bench, suite, "raises") / "attempts")) == 2


def test_the_next_run_starts_only_if_it_fits(bench, task):
    suite = bench.suite("short", "random, margin", rounds=1, seeds="[0]", initial="random")
    assert task(suite, concurrent=1, time_limit=600, expected_seconds=500, notice=60).run() == 0
    assert task(suite, concurrent=1, time_limit=600, expected_seconds=10_000, notice=60).run() == 0
    assert {state for state, _ in states(bench, "short").values()} == {State.DONE}
    suite = bench.suite("shorter", "random, margin", rounds=1, seeds="[1]")
    assert task(suite, concurrent=1, time_limit=600, expected_seconds=10_000, notice=60).run() == LEFT
    found = states(bench, "shorter")
    assert found["random"][0] == State.DONE
    assert found["margin"][0] == State.NEW
    assert "given back" in found["margin"][1]


@pytest.mark.parametrize(
    ("device", "concurrent", "cores", "runs", "sharing"),
    [("cuda", 3, 8, 5, 3), ("cuda", 3, 8, 2, 2), ("cuda", 1, 1, 5, 1), ("cpu", 4, 4, 9, 1), ("cpu", 5, 2, 9, 3)],
)
def test_how_many_runs_share_what_one_computes_on(bench, task, device, concurrent, cores, runs, sharing):
    suite = bench.suite("packed", "random", seeds=f"0..{runs - 1}")
    job = task(suite, device=device, concurrent=concurrent, cores=cores)
    assert job._job(job.runs[0]).where.concurrency == sharing


def test_jobs_contact_wandb_one_after_the_other(bench):
    delays = sorted(wandb_delay(task) for task in range(300))
    assert wandb_delay(0) == 0
    assert 0 <= delays[0] <= delays[-1] < 30
    assert max(later - earlier for earlier, later in pairwise(delays)) < 0.3


def test_cancelled_runs_are_not_started(bench, task):
    suite = bench.suite("gone", "random, margin", seeds="[0]")
    job = task(suite)
    doomed = folder(bench, suite, "margin").name
    Sweep(bench.out, "gone").set_cancelled([doomed])
    assert job.run() == 0
    assert states(bench, "gone")["margin"][0] == State.CANCELLED
    assert not folder(bench, suite, "margin").exists()


def test_code_that_changed_since_is_refused(bench, task):
    suite = bench.suite("drift", "random", seeds="[0]")
    assert task(suite, code={"version": "0.0.1", "commit": None, "dirty": None}).run() == 1
    state, note = states(bench, "drift")["random"]
    assert state == State.FAILED
    assert note.startswith("CodeChanged: submitted was version 0.0.1, the job found")


def test_a_run_that_gets_nowhere_is_given_up(bench, task):
    suite = bench.suite("idle", "random", rounds=2, seeds="[0]")
    where = folder(bench, suite, "random") / "attempts"
    where.mkdir(parents=True)
    for detail in ("preempted", "time limit", "preempted"):
        acquire(where).release("stopped", detail)
    assert idle_attempts(where.parent) == (1, 2)
    acquire(where).release("stopped", "time limit")
    assert task(suite).run() == 1
    state, note = states(bench, "idle")["random"]
    assert state == State.FAILED
    assert note.startswith("NoProgress: 2 attempts and 2 preempted ones in a row were cut off before a round")
    assert task(suite).run() == 0  # asked for again, it gets another chance


def test_a_full_disk_loses_nothing(bench, task, tmp_path, monkeypatch):
    monkeypatch.setattr("labelbench_plus.sweep.task.RETRY_SECONDS", 0)
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount")
    try:
        bench.folder = mount
        suite = bench.suite("full", "random, margin", rounds=4, seeds="[0]")
        whole = bench.undisturbed(suite)
        subprocess.run(["rm", "-rf", str(mount / "undisturbed-full")], check=True)
        job = task(suite, concurrent=1)
        filler = mount / "filler"
        filler.write_bytes(b"")
        with open(filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 1024)
            except OSError:
                pass
        os.truncate(filler, max(0, filler.stat().st_size - 24 * 1024))  # room for a beginning, not for the end
        assert job.run() == 1
        filler.unlink()
        found = {state for state, _ in states(bench, "full").values()}
        assert found <= {State.FAILED, State.LOST, State.NEW}
        assert task(suite).run() == 0
        assert bench.files() == whole
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


DAMAGE = (b"", b'{"host": "vm", "pi', b"[1]", bytes(40))


@pytest.mark.parametrize("damage", DAMAGE, ids=["empty", "torn", "a list", "zeros"])
def test_damaged_notes_stop_no_job_and_no_look(bench, task, damage):
    """Of two attempts that were cut off: neither they, nor costs, nor the sweep's own notes, are results."""
    suite = bench.suite("damaged", "random", seeds="[0]")
    where = folder(bench, suite, "random")
    job = task(suite)
    for part, name in (("attempts", "0001"), ("attempts", "0002"), ("costs", "0000"), ("attempts", "0002 (copy)")):
        (where / part).mkdir(parents=True, exist_ok=True)
        (where / part / f"{name}.json").write_bytes(damage)
        os.utime(where / part / f"{name}.json", (1, 1))
    (where / "result.json").write_bytes(damage)
    sweep = Sweep(bench.out, "damaged")
    for name in ("cancelled.json", "nodes_excluded.json", ".index.json", f"tasks/{job.batch}/0.json"):
        (sweep.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (sweep.folder / name).write_bytes(damage)
    (found,) = look(sweep, fresh=True).runs
    assert found.state is State.PENDING
    assert sweep.excluded_nodes() == {}
    assert idle_attempts(where) == (0, 0)
    assert job.run() == 0
    assert bench.files() == bench.undisturbed(suite)
    assert states(bench, "damaged")["random"][0] == State.DONE
    assert bench.lbp("logs", where.name, "--attempt", 2).returncode == 0


def test_what_cannot_be_written_down_is_tried_again_and_told_by_the_exit_status(bench, task):
    suite = bench.suite("unwritten", "random", seeds="[0]")
    work = task(suite)
    run = work.runs[0]["id"]
    job, full = work._job(work.runs[0]), {"type": "OSError", "where": "", "kind": "infra"}
    for tries in range(INFRA_TRIES):
        assert work._may_go_on(run), tries
        work._event(Event(job, "started"))
        work._event(Event(job, "failed", 0, "OSError: [Errno 28] No space left on device", failure=full))
        assert work._infra_failures() == (tries + 1 < INFRA_TRIES)
    assert not folder(bench, suite, "random").exists()
    assert work._status() == 1
    assert not work._may_go_on(run)
    lasting = {**full, "kind": "code"}
    work = task(suite)
    work._event(Event(work._job(work.runs[0]), "started"))
    work._event(Event(work._job(work.runs[0]), "failed", 0, "ValueError: no", failure=lasting))
    assert not work._may_go_on(run)
    assert task(suite).run() == 0
    assert work._status() == 0  # somebody else has done it


def test_what_was_given_up_was_not_cut_off(bench, task):
    """On a full disk, say: that its end could not be written down is no reason to give the run up for good."""
    suite = bench.suite("given_up", "random", seeds="[0]")
    where = folder(bench, suite, "random") / "attempts"
    where.mkdir(parents=True)
    for _ in range(3):
        lease = acquire(where)
        with failing(Fault(where, 0, errno.ENOSPC, "from then on", only=("replace",))):
            lease.release("failed", "OSError: [Errno 28] No space left on device")
    assert [attempt["ended"] for attempt in attempts(where)] == ["given up"] * 3
    assert idle_attempts(where.parent) == (0, 0)
    assert task(suite).run() == 0


def test_a_failure_that_a_dead_worker_could_not_write_down_is_written_once_that_can_be_done(bench, task):
    suite = bench.suite("later", "random", seeds="[0]")
    work = task(suite)
    run, where = work.runs[0]["id"], folder(bench, suite, "random") / "attempts"
    where.mkdir(parents=True)
    work._event(Event(work._job(work.runs[0]), "started"))
    held = acquire(where, **work.about)
    lease_module._held.discard(held.record["token"])  # its worker is gone
    full = {"type": "OSError", "where": "", "kind": "infra"}
    work._event(Event(work._job(work.runs[0]), "failed", 0, "OSError: no space", failure=full))
    work._write_down()
    (noted,) = attempts(where)
    assert (noted["ended"], noted["detail"], noted["failure"]["kind"]) == ("failed", "OSError: no space", "infra")
    assert work._infra_tries(run) == 1
    held._stop.set()


def test_a_run_that_another_process_computes_is_left_and_said_so(bench, task):
    suite = bench.suite("taken", "random", seeds="[0]")
    where = folder(bench, suite, "random") / "attempts"
    where.mkdir(parents=True)
    (where / "0001.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    assert task(suite).run() == LEFT
    os.utime(where / "0001.json", (time.time() + 86_400,) * 2)
    assert states(bench, "taken")["random"][0] == State.RUNNING  # and dated by the clock of now, so that it ages
    os.utime(where / "0001.json", (time.time() - 600,) * 2)
    assert states(bench, "taken")["random"][0] == State.LOST
    assert task(suite).run() == 0


def test_a_step_of_the_clock_takes_no_time_from_a_job(bench, task, monkeypatch):
    job = task(bench.suite("stepped", "random", seeds="[0]"), time_limit=600, expected_seconds=100, notice=60)
    job.begun["another"] = 0.0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    assert job._may_start(job._job(job.runs[0]))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which takes nothing")
def test_a_log_for_which_there_is_no_room_fails_no_job(bench, task):
    suite = bench.suite("unlogged", "random", rounds=2, seeds="[0]")
    work = task(suite, concurrent=1)
    batch = Sweep(bench.out, "unlogged").batch_path(work.batch)
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "labelbench_plus.sweep.task", str(batch)]
        done = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert done.returncode == 0
    assert bench.files() == bench.undisturbed(suite)


def test_a_folder_that_cannot_be_written_to_is_named(bench, tmp_path):
    mount = tmp_path / "frozen"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount")
    try:
        suite = bench.suite("frozen")
        bench.folder = mount
        done = bench.submit(suite)
        assert done.returncode == 2
        assert "cannot be written to: Read-only file system" in done.stderr
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_in_the_background_of_this_machine(bench):
    suite = bench.suite("local")
    done = bench.submit(suite, "-l", "local", "--set", "processes=2")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 600
    while (counts := bench.status("local")["counts"]) != {"DONE": 4} and time.monotonic() < deadline:
        assert set(counts) <= {"PENDING", "RUNNING", "DONE"}
        time.sleep(0.5)
    assert counts == {"DONE": 4}
    assert bench.files() == bench.undisturbed(suite)
    first = bench.lbp("collect", "local", "--to", bench.folder / "a.parquet", "--strict")
    assert first.returncode == 0, first.stderr
    assert "4 of 4 are complete" in first.stdout
    bench.lbp("collect", "local", "--to", bench.folder / "b.parquet")
    assert (bench.folder / "a.parquet").read_bytes() == (bench.folder / "b.parquet").read_bytes()
    result = next(bench.out.glob("runs/*/result.json"))
    result.write_bytes(result.read_bytes().replace(b'"rounds":3', b'"rounds":2'))
    assert bench.status("local")["counts"] == {"DONE": 3, "INVALID": 1}
    run = result.parent.name
    assert json.loads(bench.lbp("logs", run, "--json").stdout)["attempt"] == 1
    assert bench.lbp("prune", "local").returncode == 0


def with_proxy(suite, trainers="[centroids, {name: mlp, steps: 2, hidden: 4}]"):
    """Have a suite's labels chosen by a logistic regression."""
    text = suite.read_text().replace("trainers: [centroids]", f"trainers: {trainers}\nproxy: logistic_regression")
    suite.write_text(text)
    return suite


def test_two_runs_that_wait_for_the_same_labels_have_them_chosen_once(bench):
    suite = with_proxy(bench.suite("proxied", "margin", seeds="[0]", initial="random"))
    done = bench.submit(suite, "-l", "local", "--set", "processes=2")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 600
    while (counts := bench.status("proxied")["counts"]) != {"DONE": 2} and time.monotonic() < deadline:
        assert set(counts) <= {"PENDING", "RUNNING", "DONE"}
        time.sleep(0.5)
    assert counts == {"DONE": 2}
    chosen = load_suite(suite).runs()[0].selection.id
    assert [attempt["ended"] for attempt in attempts(bench.out / "runs" / chosen / "attempts")] == ["finished"]
    assert bench.files() == bench.undisturbed(suite)
    trainers = {run["trainer"] for run in bench.status("proxied")["runs"]}
    assert "centroids, labels chosen by logistic_regression" in trainers
    assert bench.lbp("collect", "proxied", "--to", bench.folder / "a.csv", "--strict").returncode == 0


def test_what_happens_to_the_run_that_chooses_is_told_of_the_run_that_waits(bench, task):
    suite = with_proxy(bench.suite("watched", "margin", seeds="[0]"), "[centroids]")
    work, (spec,) = task(suite), load_suite(suite).runs()
    first, second = (bench.out / "runs" / run / "attempts" for run in (spec.selection.id, spec.id))
    first.mkdir(parents=True)
    lease = acquire(first, **work.about)
    (status,) = look(Sweep(bench.out, "watched"), fresh=True).runs
    assert (status.state, status.note) == (State.RUNNING, f"run {spec.selection.id} chooses its labels")
    lease.release("stopped", "time limit")
    assert work._may_go_on(spec.id)
    acquire(first, **work.about).release("stopped", "time limit")
    assert not work._may_go_on(spec.id)  # cut off twice without a round, wherever that was noted
    assert "2 attempts in a row were cut off" in attempts(second)[-1]["detail"]
    work._event(Event(work._job(work.runs[0]), "failed", 0, f"{WORKER_DIED}: killed by SIGKILL"))
    assert attempts(second)[-1]["failure"]["kind"] == "resources"
    assert f"in run {spec.selection.id}, which chooses its labels" in attempts(second)[-1]["detail"]


def test_cancelling_ends_the_process(bench):
    suite = bench.suite("slowly", "slow", rounds=50, seeds="[0]")
    bench.submit(suite, env={"LBP_TEST_SLEEP": "1"})
    deadline = time.monotonic() + 600
    while not list(bench.out.glob("runs/*/rounds/0001.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert bench.lbp("cancel", "slowly").returncode == 0
    while bench.status("slowly")["counts"] != {"CANCELLED": 1} and time.monotonic() < deadline:
        time.sleep(0.5)
    assert bench.status("slowly")["counts"] == {"CANCELLED": 1}
    rounds = len(list(bench.out.glob("runs/*/rounds/*.json")))
    assert rounds >= 2
    assert "0 new" in bench.submit(suite).stdout


def test_a_run_that_waits_for_answers_is_neither_tried_again_at_once_nor_failed(task, bench, tmp_path, capsys):
    suite = tmp_path / "described.yaml"
    suite.write_text(DESCRIBED)
    load_plugin_file(ANNOTATED)
    answers = bench.out.parent / "answers"
    settings = {"plugins": [str(ANNOTATED)], "concurrent": 1}
    for number in range(3):
        assert task(suite, **settings).run() == LEFT
        (found,) = look(Sweep(bench.out, "described"), fresh=True).runs
        assert (found.state, found.files.attempts, found.files.rounds) == (State.WAITING, number + 1, number)
        assert found.note.startswith("waiting for ")
        assert unfinished(found)
        for item in json.loads((answers / "questions.json").read_text()):
            (answers / f"{item}.txt").write_text("answered")
    print_status(status := look(Sweep(bench.out, "described"), fresh=True), ("strategy",))
    print_failures(status, Sweep(bench.out, "described"), full=False)
    told = capsys.readouterr().out
    assert "1 waiting" in told and "1 run is waiting for 3 answers" in told and "lbp sweep resume described" in told
    assert task(suite, **settings).run() == 0
    (found,) = look(Sweep(bench.out, "described"), fresh=True).runs
    assert found.state is State.DONE
