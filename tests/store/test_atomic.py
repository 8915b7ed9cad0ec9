import os
import threading

import pytest

from labelbench_plus.store.atomic import (
    TEMPORARY,
    publish,
    publish_folder,
    remove,
    replace,
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


def test_leftovers_of_the_dead_are_swept_and_nothing_else(tmp_path):
    (tmp_path / f"{TEMPORARY}abc").touch()
    (tmp_path / "0000.json").touch()
    sweep_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0000.json"]


def test_a_folder_is_published_whole_and_once(tmp_path):
    def write(folder):
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_text("content")

    assert publish_folder(tmp_path / "model", write)
    assert not publish_folder(tmp_path / "model", write)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / f"{TEMPORARY}half").mkdir()
    sweep_temporaries(tmp_path)
    assert remove(tmp_path / "model")
    assert not remove(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
