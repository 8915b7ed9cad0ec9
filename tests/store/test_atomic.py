import os
import signal
import threading

import pytest

from labelbench_plus.store.atomic import (
    TEMPORARY,
    publish,
    publish_folder,
    remove,
    replace,
    replacing,
    sweep_temporaries,
)


def test_publish_never_overwrites(tmp_path):
    path = tmp_path / "file"
    assert publish(path, b"first")
    assert not publish(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_replace_overwrites_in_one_step(tmp_path):
    path = tmp_path / "file"
    replace(path, b"old" * 1000)
    replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_publishers_one_wins(tmp_path):
    wins = []
    threads = [
        threading.Thread(target=lambda i=i: wins.append(publish(tmp_path / "file", b"%d" % i))) for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wins) == 1


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (publish, replace):
        with pytest.raises(OSError, match="No space"):
            write(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


def leave(folder, make):
    """Have a process killed while it writes. Returns what it leaves, whole or half written."""
    pid = os.fork()
    if pid == 0:
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
        make(folder)
    os.waitpid(pid, 0)
    (left,) = folder.glob(f"{TEMPORARY}*")
    return left


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: replace(folder / "file", b"content"),
        lambda folder: publish_folder(folder / "model", lambda new: (new / "inside").write_text("half")),
    ],
)
def test_leftovers_of_the_dead_are_swept_and_nothing_else(tmp_path, make):
    left = leave(tmp_path, make)
    (tmp_path / "0000.json").touch()
    with replacing(tmp_path / "mine") as mine:  # this process is at work
        mine.touch()
        sweep_temporaries(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"0000.json", mine.name}
    assert not left.exists()


def test_what_another_machine_writes_is_left_for_as_long_as_it_changes(tmp_path):
    theirs = [tmp_path / f"{TEMPORARY}{name}" for name in (f"00000000-1-1-{'0' * 32}", "abc")]  # and an old version's
    for each in theirs:
        each.mkdir()
        (each / "shard").write_text("half")
        os.utime(each, (1, 1))
    sweep_temporaries(tmp_path)
    assert all(each.exists() for each in theirs)
    for each in theirs:
        os.utime(each / "shard", (1, 1))
        sweep_temporaries(tmp_path)
        assert not each.exists()


def test_a_folder_is_published_whole_and_once(tmp_path):
    def write(folder):
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_text("content")

    assert publish_folder(tmp_path / "model", write)
    assert not publish_folder(tmp_path / "model", write)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert remove(tmp_path / "model")
    assert not remove(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
