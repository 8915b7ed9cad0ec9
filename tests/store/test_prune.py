"""Making room: what was not used for longest goes first, and never what a process uses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.store import in_use
from labelbench_plus.store.artefacts import Artefacts
from labelbench_plus.store.prune import age, entries, prune, size

ROOT = Path(__file__).parents[2]
DAY = 24 * 3600.0

MAKE = """
import sys, time
from pathlib import Path
import numpy as np
from labelbench_plus.store.artefacts import Artefacts
folder, names, stay = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3] == "stay"
for name in names:
    found = Artefacts(folder).arrays({"name": name}, lambda pieces: {"x": np.zeros(1000)}, what=f"zeros {name}")
print("made", flush=True)
while stay:
    time.sleep(0.01)
"""


def process(folder: Path, names: str, stay: bool = False, **environment: str) -> subprocess.Popen[str]:
    """One that makes or uses artefacts of 8 kB, and ends unless it is to stay."""
    command = [sys.executable, "-c", MAKE, str(folder), names, "stay" if stay else ""]
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert started.stdout is not None
    assert started.stdout.readline() == "made\n"
    if not stay:
        assert started.wait(60) == 0
    return started


def used_days_ago(folder: Path, **days: float) -> None:
    for entry in entries(folder):
        name = entry.key["name"]
        then = time.time() - days[name] * DAY
        os.utime(folder / f"{entry.id}.json", (then, then))


def names(found) -> list[str]:
    return [entry.key["name"] for entry in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    process(tmp_path / "cache", "a,b,c")
    used_days_ago(tmp_path / "cache", a=3, b=40, c=5)
    return tmp_path / "cache"


def test_what_lies_there_says_where_it_comes_from(folder: Path) -> None:
    found = entries(folder)
    assert names(found) == ["b", "c", "a"], "what was used last at the end"
    for entry in found:
        assert entry.kind == "arrays"
        assert entry.about.what == f"zeros {entry.key['name']}"
        assert 8000 < entry.bytes < 9000
        assert entry.about.by["pid"] > 0
        assert entry.about.seconds >= 0
        assert abs(entry.about.made - time.time()) < 600
        assert not entry.used()


def test_the_least_recently_used_go_until_the_rest_fits(folder: Path) -> None:
    assert names(prune(folder, to=20_000, dry_run=True)) == ["b"]
    assert len(entries(folder)) == 3
    assert names(prune(folder, to=20_000)) == ["b"]
    assert names(prune(folder, to=20_000)) == []
    assert names(prune(folder, to=0)) == ["c", "a"]
    assert {path.suffix for path in folder.iterdir()} <= {"", ".lock"}, "notes go with what they are about"


def test_what_was_not_used_for_long_goes(folder: Path) -> None:
    assert names(prune(folder, older_than=30 * DAY)) == ["b"]
    assert names(entries(folder)) == ["c", "a"]


def test_using_counts_as_use(folder: Path) -> None:
    process(folder, "b")
    assert names(entries(folder)) == ["c", "a", "b"]


@pytest.mark.parametrize("ending", ["killed", "ended"])
def test_what_is_in_use_stays_until_its_user_is_gone(folder: Path, ending: str) -> None:
    user = process(folder, "b,c", stay=True)
    used_days_ago(folder, a=3, b=40, c=5)
    assert [entry.used() for entry in entries(folder)] == [True, True, False]
    assert names(prune(folder, to=0, dry_run=True)) == ["a"]
    assert names(prune(folder, to=0, older_than=0)) == ["a"]
    user.send_signal(signal.SIGKILL if ending == "killed" else signal.SIGTERM)
    user.wait()
    assert names(prune(folder, to=0)) == ["b", "c"]


def test_a_process_does_not_prune_what_it_uses_itself(folder: Path) -> None:
    Artefacts(folder).arrays({"name": "a"}, lambda pieces: {"x": np.ones(3)})
    assert "a" not in names(prune(folder, to=0))
    assert names(entries(folder)) == ["a"]


def test_the_budget_is_kept_when_something_is_made(folder: Path) -> None:
    process(folder, "d", LBP_CACHE_BUDGET="20kB")
    assert names(entries(folder)) == ["a", "d"]
    user = process(folder, "a", stay=True)
    process(folder, "e,f", LBP_CACHE_BUDGET="9kB")
    assert names(entries(folder)) == ["a", "e", "f"], "what is used stays, although it is too much"
    user.kill()
    user.wait()


def test_a_budget_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LBP_CACHE_BUDGET", "much")
    with pytest.raises(ValueError, match="LBP_CACHE_BUDGET: 'much' is no size"):
        Artefacts(tmp_path).arrays({"k": 1}, lambda pieces: {"x": np.zeros(1)})


def test_pieces_that_nobody_goes_on_with_can_be_pruned(tmp_path: Path) -> None:
    def stopped(pieces):
        pieces.keep("p", lambda: np.zeros(1000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Artefacts(tmp_path).arrays({"k": 1}, stopped)
    (entry,) = entries(tmp_path)
    assert entry.kind == "unfinished"
    assert prune(tmp_path, to=0) == [], "this process may still go on with it"
    in_use._folders.clear()  # as if it had ended; the locks are the process's own, so they do not stop it
    assert [each.kind for each in prune(tmp_path, to=0)] == ["unfinished"]
    assert entries(tmp_path) == []


def test_what_killed_processes_left_is_removed_once_old(folder: Path) -> None:
    (entry, *_) = entries(folder)
    old, young, foreign = folder / f".{entry.id}.abc", folder / ".tmp-1f", folder / ".somebody.else"
    for leftover in (old, young, foreign):
        leftover.mkdir()
        then = time.time() - (2 * DAY if leftover != young else 60)
        os.utime(leftover, (then, then))
    assert prune(folder, to=10**9) == []
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_without_locks_what_was_used_of_late_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor, operation, *place):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(in_use.fcntl, "lockf", no_locks)
    assert names(prune(folder, to=0)) == ["b"]
    assert names(entries(folder)) == ["c", "a"]


def test_sizes_and_ages() -> None:
    assert [size(text) for text in ("10GB", "1.5 tb", "4096", "2k")] == [10**10, 15 * 10**11, 4096, 2000]
    assert [age(text) for text in ("12h", "30d", "2w")] == [12 * 3600, 30 * DAY, 14 * DAY]
    for wrong in ("", "ten", "-1GB", "10XB"):
        with pytest.raises(ValueError, match="is no size"):
            size(wrong)
    with pytest.raises(ValueError, match="is no age; expected a number with h, d or w"):
        age("30")
