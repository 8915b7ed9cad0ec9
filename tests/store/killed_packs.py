"""Kills packing and unpacking in forked processes at every step that touches a file; run by test_packs.py as a program.

    python -m tests.store.killed_packs OUT

OUT has finished runs. After each kill every run is to be read as before, and the same command, given again, is to end
as if nothing had been. Prints a JSON object: the number of kills of each command.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelbench_plus.store.layout import is_done, run_files
from labelbench_plus.store.packing import pack, unpack
from labelbench_plus.store.readable import Readable
from tests.store.killed_runs import in_child

STEPS = ("open", "os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.utime")


def die_at(step: int) -> None:
    """Arrange for this process to be killed before it touches a file for that time, to read it or to write."""
    count = 0

    def look(event: str, arguments: Any) -> None:
        nonlocal count
        if event in STEPS:
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(look)


def files_of(place: Readable, parts: tuple[str, ...]) -> dict[str, bytes]:
    """All files of a run, as readers find them."""
    found = {path.name: path.read_bytes() for path in place.iterdir() if path.name not in parts}
    for part in parts:
        found |= {f"{part}/{path.name}": path.read_bytes() for path in (place / part).iterdir()}
    return found


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files below a folder, and when they were changed."""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in kept}


def main(out: Path) -> None:
    os.fsync = lambda descriptor: None  # type: ignore  # a kill takes nothing that was written; it only takes time
    runs = sorted(path.name for path in (out / "runs").iterdir())
    parts = ("attempts", "costs", "details", "rounds")
    whole = {run: files_of(out / "runs" / run, parts) for run in runs}
    folders = tree(out / "runs")
    packed = out.with_name("packed")
    shutil.copytree(out, packed)
    pack(packed, runs)

    def check(root: Path) -> None:
        for run in runs:
            assert is_done(root, run) and files_of(run_files(root, run), parts) == whole[run], root

    def kill(start: Path, work: Callable[[Path], object], right: Callable[[Path], bool]) -> int:
        step = 0
        while True:
            root = out.with_name(f"{work.__name__}-{step}")
            shutil.copytree(start, root)

            def doomed(root: Path = root, step: int = step) -> None:
                die_at(step)
                work(root)

            _, status = os.waitpid(in_child(doomed), 0)
            check(root)
            work(root)
            check(root)
            assert right(root), root
            shutil.rmtree(root)
            if status == 0:
                return step
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            step += 1

    def packing(root: Path) -> None:
        pack(root, runs)

    def unpacking(root: Path) -> None:
        unpack(root)

    kills = {
        "pack": kill(out, packing, lambda root: not any((root / "runs").iterdir())),
        "unpack": kill(packed, unpacking, lambda root: tree(root / "runs") == folders and not packs_in(root)),
    }
    print(json.dumps(kills))


def packs_in(root: Path) -> list[Path]:
    return list((root / "packed").glob("*.zip"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
