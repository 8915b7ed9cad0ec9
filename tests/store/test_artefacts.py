"""Artefacts: made once, whole or not at all, never written through, clear when they cannot be written."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import numpy as np
import pytest

from labelbench_plus.store import artefacts
from labelbench_plus.store.artefacts import Artefacts, Rows, default_cache_dir
from labelbench_plus.store.atomic import remove
from labelbench_plus.store.pieces import CacheError, Pieces
from labelbench_plus.store.prune import LEFTOVER_SECONDS

ROOT = Path(artefacts.__file__).parents[2]
KEY = {"data": "d1", "encoder": {"name": "pca", "dimensions": 3}}
ARRAYS = {
    "pool": np.arange(12, dtype=np.float32).reshape(4, 3),
    "test": np.zeros((0, 3), dtype=np.float32),
    "fortran": np.asfortranarray(np.eye(3)),
}


def compute() -> dict[str, np.ndarray]:
    return {name: array.copy(order="K") for name, array in ARRAYS.items()}


def cached(key: Mapping[str, Any], compute: Callable[[], Any], folder: Path) -> dict[str, np.ndarray]:
    return Artefacts(folder).arrays(key, lambda pieces: compute())


def refuse() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


def same(found: dict[str, np.ndarray]) -> bool:
    return list(found) == list(ARRAYS) and all(
        found[name].dtype == ARRAYS[name].dtype and np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS
    )


def visible(folder: Path) -> list[str]:
    """What is in the cache folder but locks and what is noted beside entries."""
    return sorted(
        path.name for path in folder.iterdir() if path.suffix not in (".lock", ".json") and path.name != ".users"
    )


def entry_of(folder: Path) -> Path:
    (name,) = visible(folder)
    return folder / name


def test_computed_once_per_key(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    assert same(cached(KEY, compute, folder))
    assert same(cached(dict(reversed(KEY.items())), refuse, folder)), "the order of a key's fields does not count"
    other = cached({**KEY, "data": "d2"}, lambda: {"x": np.ones(2)}, folder)
    assert other["x"].tolist() == [1, 1]
    assert len(visible(folder)) == 2
    assert all(json.loads((folder / name / "key.json").read_text())["key"]["data"] for name in visible(folder))


def test_an_entry_may_be_read_by_whoever_may_read_a_new_folder(tmp_path: Path) -> None:
    cached(KEY, compute, tmp_path / "cache")
    (tmp_path / "ordinary").mkdir()
    assert entry_of(tmp_path / "cache").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_the_arrays_are_mapped_and_writing_does_not_reach_the_cache(tmp_path: Path) -> None:
    for produce in (compute, refuse):  # freshly computed, then found
        found = cached(KEY, produce, tmp_path)
        assert type(found["pool"]) is np.ndarray
        assert isinstance(found["pool"].base, np.memmap)
        found["pool"][:] = -1
    assert same(cached(KEY, refuse, tmp_path))


def test_what_compute_raises_comes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise RuntimeError("no weights")

    with pytest.raises(RuntimeError, match="no weights"):
        cached(KEY, fail, tmp_path)
    assert visible(tmp_path) == []
    assert same(cached(KEY, compute, tmp_path))


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ([np.ones(2)], TypeError),
        ({"x": [1.0]}, TypeError),
        ({"../x": np.ones(2)}, ValueError),
        ({"x": np.array([None])}, TypeError),
    ],
)
def test_only_named_arrays_of_numbers_are_kept(returned: object, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error, match=r"compute\(\)"):
        cached(KEY, lambda: returned, tmp_path)  # type: ignore[arg-type, return-value]
    assert visible(tmp_path) == []


@pytest.mark.parametrize("key", [{"x": float("nan")}, {"x": Path("a")}])
def test_a_key_has_to_be_json(key: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        cached(key, compute, tmp_path)


def truncate(entry: Path) -> None:
    os.truncate(entry / "pool.npy", (entry / "pool.npy").stat().st_size - 4)


def wrong_header(entry: Path) -> None:
    np.save(entry / "pool.npy", ARRAYS["pool"].reshape(3, 4))


def remove_array(entry: Path) -> None:
    (entry / "pool.npy").unlink()


def empty_key(entry: Path) -> None:
    (entry / "key.json").write_text("")


def garbage_key(entry: Path) -> None:
    (entry / "key.json").write_text('{"key": 3, "arrays": []}')


def another_key(entry: Path) -> None:
    stored = json.loads((entry / "key.json").read_text())
    (entry / "key.json").write_text(json.dumps({**stored, "key": {"data": "other"}}))


def remove_key(entry: Path) -> None:
    (entry / "key.json").unlink()


def a_file_instead(entry: Path) -> None:
    for file in entry.iterdir():
        file.unlink()
    entry.rmdir()
    entry.write_text("")


@pytest.mark.parametrize(
    "damage",
    [truncate, wrong_header, remove_array, empty_key, garbage_key, another_key, remove_key, a_file_instead],
)
def test_a_damaged_entry_is_noticed_and_computed_again(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached(KEY, compute, tmp_path)
    damage(entry_of(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert same(cached(KEY, compute, tmp_path))
    assert "is damaged" in caplog.text
    assert len(visible(tmp_path)) == 1
    assert same(cached(KEY, refuse, tmp_path))


def test_arrays_in_use_survive_their_entry(tmp_path: Path) -> None:
    found = cached(KEY, compute, tmp_path)
    wrong_header(entry_of(tmp_path).rename(tmp_path / "aside"))
    assert same(cached(KEY, compute, tmp_path))
    assert same(found)


def test_where_locks_do_not_work_it_works_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def acquire(self: object, timeout: float) -> None:
        raise OSError("No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert same(cached(KEY, compute, tmp_path))
    assert "cannot be locked" in caplog.text

    def overtaken() -> dict[str, np.ndarray]:
        cached(KEY, compute, tmp_path)  # another process was quicker: its entry stays
        return compute()

    remove(entry_of(tmp_path))
    assert same(cached(KEY, overtaken, tmp_path))
    assert len(visible(tmp_path)) == 1


def test_patience_with_a_lock_that_is_never_released_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(artefacts, "LOCK_PATIENCE_SECONDS", 0.5)
    cached(KEY, compute, tmp_path)
    name = entry_of(tmp_path).name
    remove(entry_of(tmp_path))
    with filelock.FileLock(tmp_path / f".{name}.lock"):
        assert same(cached(KEY, compute, tmp_path))
    assert "locked for hours" in caplog.text


def test_leftovers_of_the_killed_are_removed_once_old(tmp_path: Path) -> None:
    cached(KEY, compute, tmp_path)
    name = entry_of(tmp_path).name
    remove(tmp_path / name)
    old, young, foreign = tmp_path / f".{name}.old", tmp_path / f".{name}.young", tmp_path / ".somebody.else"
    for leftover in (old, young, foreign):
        leftover.mkdir()
    long_ago = time.time() - 2 * LEFTOVER_SECONDS
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    cached(KEY, compute, tmp_path)
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def rows_of(array: np.ndarray, *cuts: int) -> Rows:
    return Rows(array.shape, array.dtype, np.split(array, cuts))


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    pool = np.arange(12, dtype=np.float16).reshape(6, 2)
    found = Artefacts(tmp_path).arrays(KEY, lambda _: {"pool": rows_of(pool, 1, 1, 4), "none": rows_of(pool[:0])})
    again = cached(KEY, refuse, tmp_path)
    for arrays in (found, again):
        assert arrays["pool"].dtype == np.float16
        assert np.array_equal(arrays["pool"], pool)
        assert arrays["none"].shape == (0, 2)
        assert isinstance(arrays["pool"].base, np.memmap)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([np.ones((2, 3))], "2 rows came|is to have 4 rows, but 2 came"),
        ([np.ones((4, 2))], "a chunk is float64"),
        ([np.ones((4, 3), np.float32)], "a chunk is float32"),
    ],
)
def test_rows_that_are_not_what_was_said_are_refused(chunks: list[np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Artefacts(tmp_path).arrays(KEY, lambda _: {"x": Rows((4, 3), np.dtype(float), chunks)})
    assert visible(tmp_path) == []


def test_interrupted_work_goes_on_behind_its_finished_pieces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []

    def compute(pieces: Pieces, last: int) -> dict[str, np.ndarray | Rows]:
        def make(number: int) -> np.ndarray:
            if number > last:
                raise KeyboardInterrupt
            made.append(number)
            return np.full((2, 3), number)

        return {"x": np.concatenate([pieces.keep(f"p{number}", lambda n=number: make(n)) for number in range(5)])}

    with pytest.raises(KeyboardInterrupt):
        Artefacts(tmp_path).arrays(KEY, lambda pieces: compute(pieces, 3))
    (folder,) = tmp_path.glob(".*.pieces")
    os.truncate(folder / "p1.npy", (folder / "p1.npy").stat().st_size - 1)
    (folder / "p2.npy").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        found = Artefacts(tmp_path).arrays(KEY, lambda pieces: compute(pieces, 9))
    assert made == [0, 1, 2, 3, 1, 2, 4], "what is damaged is made again, too"
    assert "p1.npy is damaged" in caplog.text
    assert found["x"][:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert not folder.exists(), "pieces go when the entry is there"


def test_patience_begins_anew_when_the_other_one_comes_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(artefacts, "LOCK_PATIENCE_SECONDS", 15.0)
    changes = iter([1.0, 2.0, 3.0, 3.0])  # two pieces come, then nothing more
    monkeypatch.setattr(Pieces, "changed", lambda self: next(changes))
    clock = itertools.count(0, 10)  # ten seconds pass between two looks at it
    monkeypatch.setattr(artefacts, "time", SimpleNamespace(monotonic=lambda: next(clock), time=time.time))

    def acquire(self: object, timeout: float) -> None:
        raise filelock.Timeout("held")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert same(cached(KEY, compute, tmp_path))
    assert next(changes, None) is None, "it waited as long as something changed"
    assert "locked for hours" in caplog.text


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot be written.*LBP_CACHE"):
        cached(KEY, refuse, tmp_path / "file" / "cache")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_serves_what_it_has_and_refuses_the_rest(tmp_path: Path) -> None:
    cached(KEY, compute, tmp_path)
    tmp_path.chmod(0o555)
    try:
        assert same(cached(KEY, refuse, tmp_path))
        with pytest.raises(CacheError, match=r"Permission denied.*LBP_CACHE"):
            cached({"another": 1}, refuse, tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_in_which_nothing_can_be_made_serves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(**_: object) -> str:  # what a read-only disk answers, to the superuser too
        raise OSError(30, "Read-only file system")

    cached(KEY, compute, tmp_path)
    monkeypatch.setattr(artefacts.tempfile, "mkdtemp", read_only)
    assert same(cached(KEY, refuse, tmp_path))
    with pytest.raises(CacheError, match=r"Read-only file system.*LBP_CACHE"):
        cached({"another": 1}, refuse, tmp_path)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    # a limit on the size of files stands for a disk that has no more room
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        with pytest.raises(CacheError, match=r"cannot be written.*Free some space"):
            cached(KEY, lambda: {"x": np.ones(100_000)}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert visible(tmp_path) == []


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("LBP_CACHE", "")
    assert default_cache_dir() == Path("/home/someone/.cache/labelbench_plus")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch/cache")
    assert default_cache_dir() == Path("/scratch/cache/labelbench_plus")
    monkeypatch.setenv("LBP_CACHE", "~/features")
    assert default_cache_dir() == Path("/home/someone/features")


class Worker:
    """A real process that wants the features of one key, says so in files, and computes until it is let go."""

    SCRIPT = """
import os, sys, time
from pathlib import Path
import numpy as np
from labelbench_plus.store.artefacts import Artefacts
folder, name, stop_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signals = folder.parent
def pause(where):
    if where == stop_at:
        (signals / f"{name}.{where}").touch()
        while not (signals / f"{name}.go").exists():
            time.sleep(0.01)
def compute(pieces):
    (signals / f"{name}.computes").touch()
    pause("compute")
    return {"x": np.arange(1000.0), "y": np.ones(5)}
syncs = iter(range(100))
def sync(descriptor, real=os.fsync):
    real(descriptor)
    pause(f"sync{next(syncs)}")
os.fsync = sync
(signals / f"{name}.started").touch()
found = Artefacts(folder).arrays({"k": 1}, compute)
assert found["x"].sum() == 499500 and found["y"].sum() == 5
"""

    def __init__(self, folder: Path, name: str, stop_at: str = "", script: str = SCRIPT) -> None:
        self.signals, self.name = folder.parent, name
        command = [sys.executable, "-c", script, str(folder), name, stop_at]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def wait_until(self, what: str) -> None:
        deadline = time.monotonic() + 600
        while not (self.signals / f"{self.name}.{what}").exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, f"{self.name} never came to {what}"
            time.sleep(0.01)

    def go(self) -> None:
        (self.signals / f"{self.name}.go").touch()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self) -> None:
        _, errors = self.process.communicate(timeout=600)
        assert self.process.returncode == 0, errors

    @property
    def computed(self) -> bool:
        return (self.signals / f"{self.name}.computes").exists()


def test_of_two_processes_one_computes_and_both_have_it(tmp_path: Path) -> None:
    first = Worker(tmp_path / "cache", "first", stop_at="compute")
    first.wait_until("compute")
    second = Worker(tmp_path / "cache", "second")
    second.wait_until("started")
    time.sleep(0.3)
    assert not second.computed
    first.go()
    first.end()
    second.end()
    assert not second.computed


# syncs: x.npy, y.npy, key.json, the entry, (renamed) the cache folder
@pytest.mark.parametrize("moment", ["compute", "sync0", "sync2", "sync3", "sync4"])
def test_kill_9_at_any_moment_is_survived(moment: str, tmp_path: Path) -> None:
    first = Worker(tmp_path / "cache", "first", stop_at=moment)
    first.wait_until(moment)
    second = Worker(tmp_path / "cache", "second")
    second.wait_until("started")
    first.kill()
    second.end()
    assert second.computed is (moment != "sync4"), "after the rename, and only then, the entry is there"
    third = Worker(tmp_path / "cache", "third")
    third.end()
    assert not third.computed


def test_entries_of_before_stay_valid(tmp_path: Path) -> None:
    """The names and bytes of an entry are those that the cache of features wrote before there were other artefacts."""
    cached(KEY, compute, tmp_path)
    entry = entry_of(tmp_path)
    assert entry.name == "2df08619111214c96c4bf8531a182a028c8551d0b61cc9634457f76952c94ca8"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in entry.iterdir()}
    assert found == {"key.json": "f5974096", "pool.npy": "feb2d899", "test.npy": "f1230458", "fortran.npy": "45e56f30"}
    entry.with_name(f"{entry.name}.json").unlink()  # one of before has no note
    assert same(cached(KEY, refuse, tmp_path))
    assert entry.with_name(f"{entry.name}.json").exists()


TEXTS = ["", "a\0", "\0", "é" * 3, "x" * 10_000, "𝔘", "line\nbreak"]


def test_texts_come_back_to_the_character(tmp_path: Path) -> None:
    def sentences(pieces: Pieces) -> list[str]:
        return [*pieces.keep_texts("first", lambda: TEXTS[:3]), *pieces.keep_texts("rest", lambda: TEXTS[3:])]

    made = Artefacts(tmp_path).texts(KEY, sentences)
    found = Artefacts(tmp_path).texts(KEY, lambda pieces: refuse())  # type: ignore[arg-type, return-value]
    assert list(made[:]) == list(found[:]) == TEXTS
    assert not list(Artefacts(tmp_path).texts({"none": 1}, lambda pieces: [])[:])
    assert same(cached(KEY, compute, tmp_path)), "arrays under the same key are another entry"
    for make in (lambda pieces: ["fine", "\ud800"], lambda pieces: pieces.keep_texts("p", lambda: ["fine", "\ud800"])):
        with pytest.raises(ValueError, match=r"text 1 holds half a character.*ud800"):
            Artefacts(tmp_path).texts({"bad": 1}, make)


def test_damaged_texts_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Artefacts(tmp_path).texts(KEY, lambda pieces: TEXTS)
    file = entry_of(tmp_path) / "offsets.npy"
    offsets = np.load(file)
    offsets[-1] += 1
    np.save(file, offsets)
    assert list(Artefacts(tmp_path).texts(KEY, lambda pieces: TEXTS)[:]) == TEXTS
    assert "is damaged" in caplog.text


def model(folder: Path) -> None:
    (folder / "shards").mkdir()
    (folder / "shards" / "0.bin").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")


def no_model(folder: Path) -> None:
    raise AssertionError("made again")


def add_a_file(content: Path) -> None:
    (content / "other").touch()


def cut_a_file(content: Path) -> None:
    os.truncate(content / "shards" / "0.bin", 3)


def lose_a_file(content: Path) -> None:
    (content / "shards" / "0.bin").unlink()


@pytest.mark.parametrize("damage", [add_a_file, cut_a_file, lose_a_file])
def test_a_directory_is_made_once_and_again_where_it_is_damaged(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = Artefacts(tmp_path).directory(KEY, model)
    assert (found / "shards" / "0.bin").read_bytes() == b"weights"
    assert Artefacts(tmp_path).directory(KEY, no_model) == found
    damage(found)
    again = Artefacts(tmp_path).directory(KEY, model)
    assert again == found
    assert sorted(path.name for path in again.iterdir()) == ["config.json", "shards"]
    assert "is damaged" in caplog.text


def test_what_goes_wrong_in_making_a_directory_comes_through(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        model(folder)
        raise FileNotFoundError("no such model")

    with pytest.raises(FileNotFoundError, match="no such model"):
        Artefacts(tmp_path).directory(KEY, fail)
    assert visible(tmp_path) == []


DIRECTORY = """
import sys, time
from pathlib import Path
from labelbench_plus.store.artefacts import Artefacts
folder, name, slow = Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["slow"]
signals = folder.parent
def write(to):
    (to / "first").write_text("whole")
    (signals / f"{name}.computes").touch()
    while slow and not (signals / f"{name}.go").exists():
        time.sleep(0.01)
    (to / "second").write_text("whole")
(signals / f"{name}.started").touch()
found = Artefacts(folder).directory({"k": 1}, write)
assert sorted(path.read_text() for path in found.iterdir()) == ["whole", "whole"]
"""


def test_a_directory_survives_kill_9_and_is_made_by_one_of_two(tmp_path: Path) -> None:
    first = Worker(tmp_path / "cache", "first", "slow", script=DIRECTORY)
    first.wait_until("computes")
    second = Worker(tmp_path / "cache", "second", "slow", script=DIRECTORY)
    third = Worker(tmp_path / "cache", "third", "slow", script=DIRECTORY)
    second.wait_until("started")
    third.wait_until("started")
    time.sleep(0.3)
    assert not second.computed
    assert not third.computed
    first.kill()
    deadline = time.monotonic() + 600
    while not (second.computed or third.computed):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second.go()
    third.go()
    second.end()
    third.end()
    assert second.computed is not third.computed


PARTS = """
import os, sys, time
from pathlib import Path
import numpy as np
from labelbench_plus.store import pieces
from labelbench_plus.store.artefacts import Artefacts
pieces.LOOK_SECONDS = 0.05
folder, name, stop_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signals = folder.parent
def make(number):
    (signals / f"{name}.makes{number}").touch()
    while str(number) == stop_at and not (signals / f"{name}.go").exists():
        time.sleep(0.01)
    return np.full(3, number)
def parts():
    return {f"p{number}": lambda number=number: make(number) for number in range(6)}
def compute(kept):
    (signals / f"{name}.computes").touch()
    return {"x": np.concatenate([kept.keep(piece, made) for piece, made in parts().items()])}
(signals / f"{name}.started").touch()
found = Artefacts(folder).arrays({"k": 1}, compute, parts)
assert found["x"].tolist() == [number for number in range(6) for _ in range(3)]
"""


def made_by(signals: Path) -> dict[str, list[int]]:
    """Which pieces each process made."""
    found: dict[str, list[int]] = {}
    for path in signals.glob("*.makes*"):
        found.setdefault(path.stem, []).append(int(path.suffix.removeprefix(".makes")))
    return found


def test_others_make_other_pieces_and_take_over_from_the_killed(tmp_path: Path) -> None:
    """One is held up in its third piece; a second makes the rest; the first is killed; a third helps to the end."""
    first = Worker(tmp_path / "cache", "first", "2", script=PARTS)
    first.wait_until("makes2")
    second = Worker(tmp_path / "cache", "second", "5", script=PARTS)
    second.wait_until("makes5")
    assert sorted(made_by(tmp_path)["second"]) == [3, 4, 5]
    third = Worker(tmp_path / "cache", "third", "", script=PARTS)
    third.wait_until("started")
    time.sleep(0.3)
    assert "third" not in made_by(tmp_path), "all that is left is claimed"
    first.kill()
    third.wait_until("makes2")
    second.go()
    second.end()
    third.end()
    assert made_by(tmp_path)["third"] == [2]
    assert sorted(made_by(tmp_path)["second"]) == [3, 4, 5]
    assert second.computed is not third.computed, "one puts them together"
    assert not list((tmp_path / "cache").glob(".*.pieces"))
