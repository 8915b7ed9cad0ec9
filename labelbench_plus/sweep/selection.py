"""A selection of image-text pairs as jobs: an array for each scoring of shards, a job for the steps in between.

Each job does the tasks of its line in a batch file (`python -m labelbench_plus.sweep.task BATCH.jsonl`). One that is
cut off goes back into the queue, and what was done is kept.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.contracts.launchers import Batch, Launcher
from labelbench_plus.pairs.tasks import SelectionTask, independent
from labelbench_plus.running.selection import WorkerError, crew_of, do_tasks
from labelbench_plus.store.atomic import replace
from labelbench_plus.sweep.scheduled import Notice, at_its_limit, give_notice, listen_to_scheduler, log, requeue

if TYPE_CHECKING:
    from labelbench_plus.pairs.workspace import Workspace


def submit_selection(workspace: Workspace, launcher: Launcher, chunk: int) -> list[str]:
    """Submit the rest of a selection to a launcher that `orders_jobs`, an array for each scoring of shards.

    Returns the jobs' names.

    A job starts when those before it have ended well. The launcher's `pack` says how many shards share a job and how
    many of those are scored at a time.

    Raises
    ------
    SchedulerError
        A job was refused; those before it are submitted.
    """
    jobs: list[str] = []
    largest = launcher.limits().array
    for number, group in enumerate(job_groups(workspace)):
        left = [task for task in group if not workspace.done(task)]
        if not left:
            continue
        share = max(launcher.runs_per_job, -(-len(left) // largest)) if independent(left) else len(left)
        lines = [left[start : start + share] for start in range(0, len(left), share)]
        batch_id = uuid.uuid4().hex[:8]
        folder = workspace.folder.resolve() / "jobs" / f"{number:02d}-{batch_id}"
        folder.mkdir(parents=True)
        settings = {
            "selection": str(workspace.folder.resolve()),
            "chunk": chunk,
            "device": launcher.device,
            "workers": launcher.concurrent,
            "time_limit": launcher.time_limit,
            "notice": launcher.notice,
        }
        content = [json.dumps(settings), *(json.dumps([astuple(task) for task in line]) for line in lines)]
        path = folder / "batch.jsonl"
        replace(path, "\n".join([*content, ""]).encode())
        batch = Batch(f"pairs-{workspace.folder.name}", batch_id, len(lines), path, folder)
        follower = launcher.after(jobs[-1]) if jobs else launcher
        jobs.append(follower.submit(batch, launcher.max_parallel))
    return jobs


def job_groups(workspace: Workspace) -> list[list[SelectionTask]]:
    """All tasks as jobs do them: shards apart from each other, everything between two scorings one after the other."""
    groups: list[list[SelectionTask]] = []
    for phase in workspace.phases():
        if groups and not independent(phase) and not independent(groups[-1]):
            groups[-1].extend(phase)
        else:
            groups.append(list(phase))
    return groups


def do_job(settings: dict[str, Any], line: Sequence[Sequence[Any]]) -> int:
    """Do the tasks of a job's line, and return the exit status: 1 if one cannot be done.

    At a notice the job goes back into the queue; not if it used up its time without finishing a single task.
    """
    started, done, tasks = time.monotonic(), 0, [SelectionTask(*task) for task in line]
    try:
        listen_to_scheduler(on_warning=lambda: give_notice("told to end"), on_term=lambda: None)
        with crew_of(Path(settings["selection"]), settings["workers"], settings["chunk"], settings["device"]) as crew:
            for group in [tasks] if independent(tasks) else [[task] for task in tasks]:
                for task in do_tasks(crew, group):
                    done += 1
                    log(f"{task} done")
    except WorkerError as error:
        log(error, file=sys.stderr)
        return 1
    except Notice as notice:
        if not done and at_its_limit(time.monotonic() - started, settings["time_limit"], settings["notice"]):
            limit = settings["time_limit"]
            log(f"no task was done within {limit} s: raise the launcher's `time`", file=sys.stderr)
            return 1
        log(f"{notice}: {len(tasks) - done} of {len(tasks)} tasks are left")
        if not requeue():
            log("the command that submitted this job submits it again", file=sys.stderr)
            return 1
    return 0
