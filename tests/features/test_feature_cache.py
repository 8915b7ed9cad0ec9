"""The cache of arrays: computed once, whole or not at all, never written through, clear when it cannot be written."""

from __future__ import annotations

import itertools
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import filelock
import numpy as np
import pytest

from labelbench_plus.features import feature_cache
from labelbench_plus.features.feature_cache import CacheError, Pieces, Rows, cached, cached_by_pieces, default_cache_dir

ROOT = Path(feature_cache.__file__).parents[2]
KEY = {"data": "d1", "encoder": {"name": "pca", "dimensions": 3}}
ARRAYS = {
    "pool": np.arange(12, dtype=np.float32).reshape(4, 3),
    "test": np.zeros((0, 3), dtype=np.float32),
    "fortran": np.asfortranarray(np.eye(3)),
}


def compute() -> dict[str, np.ndarray]:
    return {name: array.copy(order="K") for name, array in ARRAYS.items()}


def refuse() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


def same(found: dict[str, np.ndarray]) -> bool:
    return list(found) == list(ARRAYS) and all(
        found[name].dtype == ARRAYS[name].dtype and np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS
    )


def visible(folder: Path) -> list[str]:
    """What is in the cache folder but lock files."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


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

    feature_cache._set_aside(entry_of(tmp_path))
    assert same(cached(KEY, overtaken, tmp_path))
    assert len(visible(tmp_path)) == 1


def test_patience_with_a_lock_that_is_never_released_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feature_cache, "LOCK_PATIENCE_SECONDS", 0.5)
    cached(KEY, compute, tmp_path)
    name = entry_of(tmp_path).name
    feature_cache._set_aside(entry_of(tmp_path))
    with filelock.FileLock(tmp_path / f".{name}.lock"):
        assert same(cached(KEY, compute, tmp_path))
    assert "locked for hours" in caplog.text


def test_leftovers_of_the_killed_are_removed_once_old(tmp_path: Path) -> None:
    cached(KEY, compute, tmp_path)
    name = entry_of(tmp_path).name
    feature_cache._set_aside(tmp_path / name)
    old, young, foreign = tmp_path / f".{name}.old", tmp_path / f".{name}.young", tmp_path / ".somebody.else"
    for leftover in (old, young, foreign):
        leftover.mkdir()
    long_ago = time.time() - 2 * feature_cache.LEFTOVER_SECONDS
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    cached(KEY, compute, tmp_path)
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def rows_of(array: np.ndarray, *cuts: int) -> Rows:
    return Rows(array.shape, array.dtype, np.split(array, cuts))


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    pool = np.arange(12, dtype=np.float16).reshape(6, 2)
    found = cached_by_pieces(KEY, lambda _: {"pool": rows_of(pool, 1, 1, 4), "none": rows_of(pool[:0])}, tmp_path)
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
        cached_by_pieces(KEY, lambda _: {"x": Rows((4, 3), np.dtype(float), chunks)}, tmp_path)
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
        cached_by_pieces(KEY, lambda pieces: compute(pieces, 3), tmp_path)
    (folder,) = tmp_path.glob(".*.pieces")
    os.truncate(folder / "p1.npy", (folder / "p1.npy").stat().st_size - 1)
    (folder / "p2.npy").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        found = cached_by_pieces(KEY, lambda pieces: compute(pieces, 9), tmp_path)
    assert made == [0, 1, 2, 3, 1, 2, 4], "what is damaged is made again, too"
    assert "p1.npy is damaged" in caplog.text
    assert found["x"][:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert not folder.exists(), "pieces go when the entry is there"


def test_patience_begins_anew_when_the_other_one_comes_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feature_cache, "LOCK_PATIENCE_SECONDS", 15.0)
    changes = iter([1.0, 2.0, 3.0, 3.0])  # two pieces come, then nothing more
    monkeypatch.setattr(Pieces, "changed", lambda self: next(changes))
    clock = itertools.count(0, 10)  # ten seconds pass between two looks at it
    monkeypatch.setattr(feature_cache, "time", SimpleNamespace(monotonic=lambda: next(clock), time=time.time))

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
    monkeypatch.setattr(feature_cache.tempfile, "mkdtemp", read_only)
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
from labelbench_plus.features.feature_cache import cached
folder, name, stop_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signals = folder.parent
def pause(where):
    if where == stop_at:
        (signals / f"{name}.{where}").touch()
        while not (signals / f"{name}.go").exists():
            time.sleep(0.01)
def compute():
    (signals / f"{name}.computes").touch()
    pause("compute")
    return {"x": np.arange(1000.0), "y": np.ones(5)}
syncs = iter(range(100))
def sync(descriptor, real=os.fsync):
    real(descriptor)
    pause(f"sync{next(syncs)}")
os.fsync = sync
(signals / f"{name}.started").touch()
found = cached({"k": 1}, compute, folder)
assert found["x"].sum() == 499500 and found["y"].sum() == 5
"""

    def __init__(self, folder: Path, name: str, stop_at: str = "") -> None:
        self.signals, self.name = folder.parent, name
        command = [sys.executable, "-c", self.SCRIPT, str(folder), name, stop_at]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def wait_until(self, what: str) -> None:
        deadline = time.monotonic() + 60
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
        _, errors = self.process.communicate(timeout=60)
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
