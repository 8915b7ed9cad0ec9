"""Kills runs in forked processes and reports what their folders look like; run by test_crash.py as a program.

One process loads everything once and forks a child for every kill, since an interpreter of its own for each of some
hundred kills would take minutes.

    python -m tests.store.killed_runs boundaries|thirds|training|random SUITE FOLDER

`thirds` is every third of `boundaries`; `training` too, with the state of training kept after every step.

Prints a JSON object: the number of kills, and for each kill the files of the finished run that differ from an
undisturbed one's.
"""

from __future__ import annotations

import builtins
import gc
import io
import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import tests.telling  # noqa: F401 registers what a suite may name
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.store import checkpoint
from labelbench_plus.suite import load_suite


class DyingFile:
    """A file whose write stops half-way when the kill is due."""

    def __init__(self, file: Any, step: Callable[[], None], doomed: Callable[[], bool]) -> None:
        self._file, self._step, self._doomed = file, step, doomed

    def write(self, content: bytes) -> None:
        if self._doomed():
            self._file.write(content[: len(content) // 2])
            self._file.flush()
        self._step()
        self._file.write(content)

    def __enter__(self) -> DyingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def die_at(boundary: int) -> None:
    """Arrange for this process to be killed at the given write boundary: before or after any step of any write."""
    count = 0

    def step() -> None:
        nonlocal count
        if count == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            step()
            result = function(*arguments, **keywords)
            step()
            return result

        return wrapped

    for name in ("link", "replace", "unlink", "fsync"):
        setattr(os, name, around(getattr(os, name)))
    opener = builtins.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        found = opener(file, mode, *arguments, **keywords)
        return DyingFile(found, step, lambda: count == boundary) if mode == "wb" else found

    io.open = opened  # type: ignore  # what `Path.write_bytes` calls


def in_child(work: Callable[[], None]) -> int:
    """Fork, do `work` in the child, return the child's pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def snapshot(folder: Path) -> dict[str, bytes]:
    """The files that must not vary, by name."""
    kept = [*folder.glob("rounds/*"), *folder.glob("details/*"), folder / "result.json", folder / "config.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def main(mode: str, suite: Path, scratch: Path) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda descriptor: None  # type: ignore  # a kill takes nothing that was written; it only takes time
    if mode == "training":
        checkpoint.EVERY_SECONDS, checkpoint.WRITING_SHARE = 0.0, math.inf
    spec = load_suite(suite).runs()[-1]

    def job(root: Path) -> Job:
        cache = Path(os.environ["LBP_CACHE"])
        return Job.of(spec, Where(root, cache))

    def folder(root: Path) -> Path:
        return root / "runs" / spec.id

    carry_out(job(scratch / "whole"), lambda rounds: None)
    gc.collect()
    gc.freeze()  # or every fork would copy what it shares with this process when it first looks for garbage
    undisturbed = snapshot(folder(scratch / "whole"))

    def differing(root: Path) -> list[str]:
        found = snapshot(folder(root))
        return sorted(name for name in undisturbed | found if undisturbed.get(name) != found.get(name))

    report: dict[str, Any] = {"kills": 0, "differing": {}}

    def finish(root: Path, name: str) -> None:
        _, status = os.waitpid(in_child(lambda: carry_out(job(root), lambda rounds: None)), 0)
        if status or (wrong := differing(root)):
            report["differing"][name] = wrong if not status else f"the resumed run ended with {status}"

    if mode in ("boundaries", "thirds", "training"):
        boundary = 0
        while True:
            root = scratch / f"at-{boundary}"

            def doomed(at: int = boundary, root: Path = root) -> None:
                die_at(at)
                carry_out(job(root), lambda rounds: None)

            _, status = os.waitpid(in_child(doomed), 0)
            if status == 0:
                break  # the run got to its end before that boundary: all have been tried
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            report["kills"] += 1
            finish(root, root.name)
            boundary += 1 if mode == "boundaries" else 3
    else:
        start = time.monotonic()  # of a child: this process had everything to load as well
        os.waitpid(in_child(lambda: carry_out(job(scratch / "timed"), lambda rounds: None)), 0)
        seconds = time.monotonic() - start
        rng = random.Random(0)
        for schedule in range(20):
            root = scratch / f"schedule-{schedule}"
            for attempt in range(3):
                pid = in_child(lambda root=root: carry_out(job(root), lambda rounds: None))  # type: ignore
                moment = rng.uniform(0, seconds)
                time.sleep(moment)
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                report["kills"] += os.WIFSIGNALED(status)
                if attempt == 0 and not os.WIFSIGNALED(status):
                    seconds = moment  # which a whole run needs at most: the machine was busier before
            finish(root, root.name)
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
