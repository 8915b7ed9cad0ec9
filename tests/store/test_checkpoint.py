"""When the state of a training is kept, and whose seconds it carries."""

import errno
import struct

import pytest

from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store import checkpoint as checkpoint_module
from labelbench_plus.store.checkpoint import EVERY_SECONDS, CheckpointFile
from labelbench_plus.store.lease import LeaseLost
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import load_suite
from tests.store.faults import Fault, failing


class Held:
    """A lease that nobody takes away."""

    def check(self):
        pass


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to; writing takes ten seconds."""
    now = [1000.0]
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now[0])
    write = checkpoint_module.replace

    def slow(path, content):
        write(path, content)
        now[0] += 10

    monkeypatch.setattr(checkpoint_module, "replace", slow)
    return now


def test_seconds_of_earlier_attempts_are_carried_on(tmp_path, clock):
    first = CheckpointFile(tmp_path, 3, Held())
    assert first.load() is None
    assert first.earlier_seconds == 0
    clock[0] += 70
    first.save(b"state")
    clock[0] += 500  # lost: nothing was kept any more
    second = CheckpointFile(tmp_path, 3, Held())
    assert second.load() == b"state"
    assert second.earlier_seconds == 70
    clock[0] += 30
    second.save(b"further")
    third = CheckpointFile(tmp_path, 3, Held())
    assert third.load() == b"further"
    assert third.earlier_seconds == 100
    (tmp_path / "0003.pt").write_bytes(b"torn")
    torn = CheckpointFile(tmp_path, 3, Held())
    assert torn.load() == b""
    assert torn.earlier_seconds == 0


def test_what_takes_long_to_write_is_kept_less_often(tmp_path, clock):
    kept = CheckpointFile(tmp_path, 0, Held())
    assert not kept.due()
    clock[0] += EVERY_SECONDS
    assert kept.due()
    kept.save(b"")
    clock[0] += 199
    assert not kept.due()  # ten seconds of writing are a twentieth of two hundred
    clock[0] += 1
    assert kept.due()


def test_a_rounds_seconds_are_those_of_all_attempts(suite_file, tmp_path, monkeypatch):
    spec = load_suite(suite_file()).runs()[0]

    class Resumed(CheckpointFile):
        def __init__(self, folder, number, lease):
            super().__init__(folder, number, lease)
            self.earlier_seconds = 1000.0 * (number + 1)

    monkeypatch.setattr("labelbench_plus.store.run_store.CheckpointFile", Resumed)
    job = Job.of(spec, Where(tmp_path / "out", tmp_path / "cache"))
    carry_out(job, lambda rounds: None)
    seconds = [costs["train_seconds"] for costs in RunStore(tmp_path / "out", spec.id).costs()]
    assert seconds == pytest.approx([1000.0 * (number + 1) for number in range(len(seconds))], abs=60)


def write(word):
    def into(folder):
        (folder / "shard").mkdir()
        (folder / "shard" / "weights").write_text(word)

    return into


def read(folder):
    return (folder / "shard" / "weights").read_text()


def test_a_folder_is_kept_whole_or_not_at_all(tmp_path, clock):
    kept = CheckpointFile(tmp_path, 3, Held())
    assert kept.load_folder() is None
    clock[0] += 70
    kept.save_folder(write("first"))

    def killed(folder):
        write("half")(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.save_folder(killed)
    again = CheckpointFile(tmp_path, 3, Held())
    assert read(again.load_folder()) == "first"
    assert again.earlier_seconds == 70
    clock[0] += 30
    again.save_folder(write("second"))
    last = CheckpointFile(tmp_path, 3, Held())
    assert read(last.load_folder()) == "second"
    assert last.earlier_seconds == 100
    assert len(list(tmp_path.iterdir())) == 1  # the first is gone


def test_between_a_folder_and_the_one_before_it_the_latest_counts(tmp_path, monkeypatch):
    """Killed when the new one is there and the old one not yet gone."""
    monkeypatch.setattr(checkpoint_module, "remove", lambda path: None)
    for word in map(str, range(12)):
        CheckpointFile(tmp_path, 0, Held()).save_folder(write(word))
    assert read(CheckpointFile(tmp_path, 0, Held()).load_folder()) == "11"


def test_nothing_is_kept_of_a_run_that_somebody_else_took_over(tmp_path):
    class Lost(Held):
        calls = 0

        def check(self):
            self.calls += 1
            if self.calls == 2:  # while the folder was written
                raise LeaseLost

    with pytest.raises(LeaseLost):
        CheckpointFile(tmp_path, 0, Lost()).save_folder(write("late"))
    assert list(tmp_path.iterdir()) == []


def test_folders_of_earlier_rounds_are_removed_with_the_files(tmp_path):
    for number in range(3):
        CheckpointFile(tmp_path, number, Held()).save_folder(write(str(number)))
        CheckpointFile(tmp_path, number, Held()).save(b"state")
    checkpoint_module.remove_before(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0002-0001", "0002.pt"]


def test_a_full_disk_takes_no_checkpoint_and_training_goes_on(tmp_path, caplog):
    with failing(Fault(tmp_path, 0, errno.ENOSPC, "from then on")):
        CheckpointFile(tmp_path, 3, Held()).save(b"state")
        CheckpointFile(tmp_path, 3, Held()).save_folder(write("state"))
    assert caplog.text.count("the training state cannot be saved") == 2
    again = CheckpointFile(tmp_path, 3, Held())
    assert again.load() is None and again.load_folder() is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
def test_seconds_that_are_none_are_not_carried_on(tmp_path, number):
    (tmp_path / "0003.pt").write_bytes(struct.pack("<d", number) + b"state")
    kept = CheckpointFile(tmp_path, 3, Held())
    assert kept.load() == b"state"
    assert kept.earlier_seconds == 0
