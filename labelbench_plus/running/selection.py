"""A selection of image-text pairs on this machine: its tasks, by a crew of worker processes.

A killed worker loses its current shard: everything else is on disk, and the same command resumes from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.pairs.tasks import SelectionTask
from labelbench_plus.running.crew import Crew

if TYPE_CHECKING:
    from labelbench_plus.pairs.workspace import Workspace

TRIES = 3
OnDone = Callable[[int, int], None]


class WorkerError(Exception):
    """A task failed, or its worker died repeatedly. The message names the task and the failure."""


def select_here(
    workspace: Workspace, workers: int, *, chunk: int, device: str = "cpu", on_done: OnDone = lambda done, total: None
) -> None:
    """Finish a selection, phase by phase, with `workers` single-threaded processes.

    Parameters
    ----------
    on_done: called after each task with the numbers of finished and of all tasks.

    Raises
    ------
    WorkerError
        A task cannot be done. What others did is kept.
    """
    phases = workspace.phases()
    total = sum(map(len, phases))
    done = 0
    with crew_of(workspace.folder, workers, chunk, device) as crew:
        for phase in phases:
            left = [task for task in phase if not workspace.done(task)]
            done += len(phase) - len(left)
            on_done(done, total)
            for _ in do_tasks(crew, left):
                done += 1
                on_done(done, total)


def crew_of(folder: Path, workers: int, chunk: int, device: str) -> Crew[SelectionTask]:
    """Workers on the selection in `folder`; what they write is there as a whole or not at all, whatever stops them."""
    return Crew(_Do(folder, chunk, device), workers)


def do_tasks(crew: Crew[SelectionTask], tasks: Sequence[SelectionTask]) -> Iterator[SelectionTask]:
    """Do independent tasks, and yield each when it is done. One whose worker dies is retried.

    Raises
    ------
    WorkerError
        A task failed, or its worker died `TRIES` times.
    """
    waiting, deaths = deque(tasks), dict.fromkeys(tasks, 0)
    while waiting or crew.busy:
        while waiting and crew.free:
            crew.hand_out(waiting.popleft())
        for report in crew.listen():
            task = report.work
            if report.state == "failed":
                raise WorkerError(f"{task}: {report.message}")
            if report.state == "done":
                yield task
                continue
            deaths[task] += 1
            if deaths[task] >= TRIES:
                raise WorkerError(f"{task}: its worker died {TRIES} times: {report.message}")
            waiting.append(task)


@dataclass(frozen=True)
class _Do:
    """Does tasks in a worker, which opens the selection's folder once."""

    folder: Path
    chunk: int
    device: str

    def __call__(self, task: SelectionTask, tell: Callable[[Any], None]) -> None:
        self._workspace.carry_out(task)

    @cached_property
    def _workspace(self) -> Workspace:
        from labelbench_plus.pairs.workspace import Workspace

        return Workspace(self.folder, chunk=self.chunk, device=self.device)
