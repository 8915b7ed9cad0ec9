"""Carrying a selection's tasks out by processes of this machine.

A worker that is killed costs the shard it was at: everything else is on disk, and the same command goes on from there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from labelbench_plus.pairs.tasks import Task

if TYPE_CHECKING:
    from labelbench_plus.pairs.workspace import Workspace

TRIES = 3
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
OnDone = Callable[[int, int], None]


class WorkerError(Exception):
    """A task failed, or its worker died again and again. The message names the task and how."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    task: Task | None = None


def carry_out(
    workspace: Workspace, workers: int, *, chunk: int, device: str = "cpu", on_done: OnDone = lambda done, total: None
) -> None:
    """Do what is left of a selection, phase by phase, with `workers` processes of one thread each.

    Parameters
    ----------
    on_done: called with how many tasks are done and how many there are, after each.

    Raises
    ------
    WorkerError
        A task cannot be done. What others did is kept.
    """
    phases = workspace.phases()
    total = sum(map(len, phases))
    done = 0
    with Crew(workspace.folder, workers, chunk, device) as crew:
        for phase in phases:
            left = [task for task in phase if not workspace.done(task)]
            done += len(phase) - len(left)
            on_done(done, total)
            for _ in crew.run(left):
                done += 1
                on_done(done, total)


class Crew:
    """Worker processes that do independent tasks. One that dies is replaced, and its task tried again.

    Parameters
    ----------
    folder, chunk, device: of the workspace they work on.
    workers: at most so many; they are started when there is something to do.
    """

    def __init__(self, folder: Path, workers: int, chunk: int, device: str) -> None:
        self._workers, self._settings = workers, (folder, chunk, device)
        self._crew: list[_Worker] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._crew:
            if worker.task is None:
                _say(worker, None)
            else:
                worker.process.kill()
            worker.process.join()

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Do tasks that need nothing of each other, and give each when it is done.

        Raises
        ------
        WorkerError
            A task failed, or its worker died `TRIES` times.
        """
        waiting, tries = deque(tasks), dict.fromkeys(tasks, 0)
        while len(self._crew) < min(self._workers, len(tasks)):
            self._crew.append(_start(*self._settings))
        for worker in self._crew:
            _hand_out(worker, waiting)
        while busy := [worker for worker in self._crew if worker.task is not None]:
            ready = wait([worker.connection for worker in busy])
            for place, worker in enumerate(self._crew):
                task = worker.task
                if task is None or worker.connection not in ready:
                    continue
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    tries[task] += 1
                    if tries[task] >= TRIES:
                        code = worker.process.exitcode
                        raise WorkerError(f"{task}: its worker died {TRIES} times, exit code {code}") from None
                    waiting.append(task)
                    self._crew[place] = worker = _start(*self._settings)
                else:
                    if message:
                        raise WorkerError(f"{task}: {message}")
                    yield task
                _hand_out(worker, waiting)


def _start(folder: Path, chunk: int, device: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, folder, chunk, device), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _hand_out(worker: _Worker, waiting: deque[Task]) -> None:
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        _say(worker, worker.task)


def _say(worker: _Worker, what: Task | None) -> None:
    with contextlib.suppress(OSError):  # one that is dead is found out when it is listened to
        worker.connection.send(what)


def _work(connection: Connection, folder: Path, chunk: int, device: str) -> None:
    """A worker: does tasks from `connection` until there are no more or the other side is gone."""
    for ours in (signal.SIGUSR2, signal.SIGTERM):  # a scheduler sends them to all processes; the first one answers
        signal.signal(ours, signal.SIG_IGN)
    os.environ.update(ONE_THREAD)
    import torch

    from labelbench_plus.pairs.workspace import Workspace

    torch.set_num_threads(1)
    workspace = Workspace(folder, chunk=chunk, device=device)
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while (task := connection.recv()) is not None:
            connection.send(_outcome(workspace, task))


def _outcome(workspace: Workspace, task: Task) -> str:
    """What went wrong with a task; nothing if it is done."""
    try:
        workspace.carry_out(task)
    except Exception as error:  # whatever a plugin raises is the parent's to report
        return f"{type(error).__name__}: {error}"
    return ""
