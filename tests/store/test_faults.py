"""File systems that fail, at every call in turn: the run goes on afterwards, and ends with the bytes it always has."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest

import tests.telling  # noqa: F401 registers what a suite may name
from labelbench_plus.running.failures import kind_of
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store import atomic
from labelbench_plus.store.atomic import publish, replace
from labelbench_plus.store.lease import STALE_SECONDS, RunBusy, acquire, attempts
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.suite import load_suite
from tests.store.faults import Fault, failing

SUITE = """\
suite: told
problems: [{name: telling, says: details}]
trainers: [share]
strategies: [random]
budget: {first: 10, batch: 5, rounds: 2}
seeds: [0]
"""
STORAGE = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE, errno.EDQUOT)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "told.yaml"
    path.write_text(SUITE)
    (found,) = load_suite(path).runs()
    return found


def carry(spec, root):
    return carry_out(Job.of(spec, Where(root, root.parent / "cache")), lambda rounds: None)


def result_of(spec, root) -> dict[str, bytes]:
    """The files that must not vary, by name."""
    folder = RunStore(root, spec.id).folder
    kept = [*folder.glob("rounds/*"), *folder.glob("details/*"), folder / "result.json", folder / "config.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if not path.name.startswith(".tmp-")}


@pytest.fixture(scope="module")
def undisturbed(spec, tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed") / "out"
    assert carry(spec, root) == "finished"
    found = result_of(spec, root)
    assert len(found) == 6
    return found


@pytest.mark.parametrize("how", ["once", "from then on", "done all the same"])
def test_an_error_at_any_call_costs_one_attempt_at_most(spec, undisturbed, tmp_path, how):
    """And the same process goes on at once: it is not busy with itself, whatever could not be written down."""
    failed = 0
    for at in range(1000):
        root, number = tmp_path / str(at) / "out", STORAGE[at % len(STORAGE)]
        fault = Fault(root, at, number, how)
        with failing(fault):
            try:
                outcome = carry(spec, root)
            except OSError as error:
                assert kind_of(error) == "infra", (fault.calls, error)
                assert error.errno in (number, errno.ESTALE), (fault.calls, error)
                failed, outcome = failed + 1, "failed"
        if outcome == "finished":
            assert RunStore(root, spec.id).done, fault.calls
        assert carry(spec, root) in ("finished", "already done"), (at, fault.calls)
        assert result_of(spec, root) == undisturbed, (at, fault.calls)
        if len(fault.calls) <= at:
            break  # the run came to its end before that call: all have been tried
    assert at > 60
    assert failed > 15


def test_a_reply_that_is_lost_is_no_error(tmp_path):
    """A network file system's client asks twice; the second time the name is there, and it is its own."""
    for call, number in (
        ("link", errno.EEXIST),
        ("link", errno.EIO),
        ("replace", errno.ENOENT),
        ("replace", errno.EIO),
    ):
        folder = tmp_path / f"{call}-{number}"
        folder.mkdir()
        with failing(Fault(folder, 0, number, "done all the same", only=(call,))):
            if call == "link":
                assert publish(folder / "file", b"content")
            else:
                replace(folder / "file", b"content")
        assert [path.name for path in folder.iterdir()] == ["file"]
        assert (folder / "file").read_bytes() == b"content"


def test_a_name_that_another_took_is_refused_whatever_the_call_says(tmp_path):
    publish(tmp_path / "file", b"theirs")
    for number in (errno.EEXIST, errno.EPERM):
        with failing(Fault(tmp_path, 0, number, "from then on", only=("link",))):
            assert not publish(tmp_path / "file", b"ours")
    assert (tmp_path / "file").read_bytes() == b"theirs"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_hard_links_a_run_is_carried_out_all_the_same(spec, undisturbed, tmp_path, number):
    root = tmp_path / "out"
    fault = Fault(root, 0, number, "from then on", only=("link",))
    with failing(fault):
        assert carry(spec, root) == "finished"
        held = acquire(RunStore(root, spec.id).folder / "attempts")
        with pytest.raises(RunBusy):
            acquire(RunStore(root, spec.id).folder / "attempts")
        held.release("finished")
    assert set(fault.calls) == {"link"}
    assert result_of(spec, root) == undisturbed


def test_without_any_way_to_refuse_a_name_the_cause_is_named(spec, tmp_path, monkeypatch):
    def refused(old, new):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(atomic, "rename_if_free", refused)
    with (
        failing(Fault(tmp_path, 0, errno.EPERM, "from then on", only=("link",))),
        pytest.raises(OSError, match="neither hard links nor a rename that refuses a name that is taken"),
    ):
        carry(spec, tmp_path / "out")


def test_where_folders_cannot_be_synced_a_run_is_carried_out_all_the_same(spec, undisturbed, tmp_path, monkeypatch):
    fsync, refused = os.fsync, []

    def files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            refused.append(descriptor)
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    assert carry(spec, tmp_path / "out") == "finished"
    assert refused
    assert result_of(spec, tmp_path / "out") == undisturbed


def stopped(spec, root):
    """A run that was stopped after its first round, a while ago."""

    def stop(rounds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(Job.of(spec, Where(root, root.parent / "cache")), stop)
    folder = RunStore(root, spec.id).folder
    assert [path.name for path in (folder / "rounds").iterdir()] == ["0000.json"]
    return folder


NO_RESULTS = ("attempts/0001.json", "costs/0000.json", "manifest.json", "config.json", "wandb.json")
NO_RESULTS += ("checkpoints/0001.pt", "checkpoints/0001-0001/seconds", "result.json")
DAMAGE = {"empty": b"", "torn": b'{"host": "vm", "pi', "a list": b"[1]\n", "zeros": bytes(40), "no text": b"\xff\xfe{"}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", NO_RESULTS)
def test_what_is_no_result_never_blocks_one(spec, undisturbed, tmp_path, name, damage):
    folder = stopped(spec, tmp_path / "out")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(DAMAGE[damage])
    os.utime(folder / name, (1, 1) if name.startswith("attempts") else None)
    assert carry(spec, tmp_path / "out") == "finished"
    found = result_of(spec, tmp_path / "out")
    assert found == undisturbed
    assert json.loads((folder / "manifest.json").read_bytes())["run"] == spec.id
    assert carry(spec, tmp_path / "out") == "already done"


def test_the_attempt_of_a_run_that_a_damaged_record_may_hold_is_waited_for_as_long_as_it_beats(spec, tmp_path, caplog):
    folder = stopped(spec, tmp_path / "out")
    record = folder / "attempts" / "0001.json"
    record.write_bytes(b"")
    with pytest.raises(RunBusy, match="attempt 1 cannot be read"):
        acquire(folder / "attempts")
    assert str(record) in caplog.text
    old = time.time() - STALE_SECONDS - 5
    os.utime(record, (old, old))
    acquire(folder / "attempts").release("stopped")
    assert [attempt.get("ended") for attempt in attempts(folder / "attempts")] == [None, "stopped"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_round_is_named_with_what_to_do(spec, undisturbed, tmp_path, damage):
    folder = stopped(spec, tmp_path / "out")
    (folder / "rounds" / "0000.json").write_bytes(DAMAGE[damage])
    with pytest.raises(StoreError, match=r"rounds/0000.json: not a round file: .*remove it .* resumes from there"):
        carry(spec, tmp_path / "out")
    (folder / "rounds" / "0000.json").unlink()
    assert carry(spec, tmp_path / "out") == "finished"
    assert result_of(spec, tmp_path / "out") == undisturbed


def test_copies_that_other_programs_make_are_passed_over_and_named(spec, undisturbed, tmp_path, caplog):
    folder = stopped(spec, tmp_path / "out")
    (folder / "checkpoints" / "0001-0001 (conflicted copy)").mkdir(parents=True)
    for part, number in (("attempts", "0001"), ("rounds", "0000"), ("costs", "0000"), ("checkpoints", "0001")):
        for name in (
            f"{number} (conflicted copy).json",
            f"{number}~.json",
            "٠٠٠١.json",
            "00001.json",
            f"{number}.json~",
        ):
            (folder / part / name).write_bytes(b"not ours")
    assert carry(spec, tmp_path / "out") == "finished"
    for copy in ("attempts/0001 (conflicted copy).json", "rounds/0000 (conflicted copy).json", "rounds/00001.json"):
        assert f"{folder / copy} is skipped" in caplog.text
    found = result_of(spec, tmp_path / "out")
    assert {name: found[name] for name in undisturbed} == undisturbed
    assert len(RunStore(tmp_path / "out", spec.id).rounds()) == 2


def test_damaged_details_are_named_and_the_round_stands(spec, undisturbed, tmp_path):
    carry(spec, tmp_path / "out")
    store = RunStore(tmp_path / "out", spec.id)
    path = store.folder / "details" / "0001.json.gz"
    for damage in (b"", path.read_bytes()[:30], path.read_bytes()[:12] + bytes(20), b"no gzip at all"):
        path.write_bytes(damage)
        with pytest.raises(StoreError, match=r"details/0001.json.gz: .*valid without"):
            store.details(1)
        assert [record.number for record in store.rounds()] == [0, 1]
    path.unlink()
    assert store.details(1) is None


def test_a_full_disk_takes_no_note_and_a_run_that_is_done_did_not_fail(spec, tmp_path, monkeypatch, caplog):
    root = tmp_path / "out"
    finish = RunStore.finish

    def then_full(store, spec):
        finish(store, spec)
        monkeypatch.setattr(os, "replace", full)

    def full(*names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunStore, "finish", then_full)
    assert carry(spec, root) == "finished"
    assert "attempts/0001.json: that it finished could not be written down" in caplog.text


HOLDS = """
import sys, time
from pathlib import Path
from labelbench_plus.store import lease
from tests.store.faults import Fault, failing
held = lease.acquire(Path(sys.argv[1]))
with failing(Fault(Path(sys.argv[1]), 0, 28, "from then on", only=("replace",))):
    held.release("failed", "No space left on device")
print("released", flush=True)
time.sleep(60)
"""


def test_what_a_living_process_gave_up_is_free_though_it_could_not_write_that(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "released\n"
        assert attempts(tmp_path)[0]["ended"] == "given up"
        acquire(tmp_path).release("finished")
    finally:
        process.kill()
        process.wait()


def test_a_really_full_disk(spec, undisturbed, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount")
    try:
        for room in range(0, 80, 8):  # KiB that are left: none, for a beginning, for all but the end
            root = mount / str(room) / "out"
            root.mkdir(parents=True)
            filler = mount / "filler"
            with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(4096))
            os.truncate(filler, max(0, filler.stat().st_size - room * 1024))
            outcome = "failed"
            try:
                outcome = carry(spec, root)
            except OSError as error:
                assert error.errno == errno.ENOSPC
            assert outcome == ("finished" if RunStore(root, spec.id).done else "failed")
            filler.unlink()
            assert carry(spec, root) in ("finished", "already done")
            assert result_of(spec, root) == undisturbed
            subprocess.run(["rm", "-rf", str(root.parent)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
