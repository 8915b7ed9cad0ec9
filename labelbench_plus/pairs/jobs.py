"""Carrying a selection's tasks out by jobs of SLURM: an array for each scoring of shards, a job for what lies between.

    python -m labelbench_plus.pairs.jobs BATCH.jsonl [--task N]

is what a job runs: it does the tasks of one line of a batch file. This process loads no torch, so it answers a signal
at once whatever its workers are doing. USR2 means that the job is about to be ended (preemption or its time limit): it
puts itself back in the queue, and what was done is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import uuid
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.pairs.carry_out import Crew, WorkerError
from labelbench_plus.pairs.tasks import Task, independent
from labelbench_plus.store.atomic import replace as replace_file

if TYPE_CHECKING:
    from labelbench_plus.launchers.slurm import Slurm
    from labelbench_plus.pairs.workspace import Workspace

TIME_LIMIT_SLACK = 75.0  # SLURM may send its warning a minute early


class Notice(BaseException):
    """The job is about to be ended."""


def submit(workspace: Workspace, launcher: Slurm, chunk: int) -> list[str]:
    """Hand what is left of a selection to SLURM, an array of jobs for each scoring of shards, and return their names.

    A job starts when those before it have ended well. The launcher's `pack` says how many shards share a job and how
    many of those are scored at a time.

    Raises
    ------
    SchedulerError
        A job was refused; those before it are submitted.
    """
    from labelbench_plus.contracts.launchers import Batch

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
            "folder": str(workspace.folder.resolve()),
            "chunk": chunk,
            "device": launcher.device,
            "workers": launcher.concurrent,
            "time_limit": launcher.time_limit,
            "notice": launcher.notice,
        }
        content = [json.dumps({**settings, "tasks": [astuple(task) for task in line]}) for line in lines]
        replace_file(folder / "batch.jsonl", "\n".join([*content, ""]).encode())
        batch = Batch(
            sweep=f"pairs-{workspace.folder.name}",
            id=batch_id,
            tasks=len(lines),
            path=folder / "batch.jsonl",
            folder=folder,
            module="labelbench_plus.pairs.jobs",
        )
        # One whose forerunner failed would wait for ever; the same command submits it again.
        after = {"dependency": f"afterok:{jobs[-1]}", "kill-on-invalid-dep": "yes"} if jobs else {}
        follower = replace(launcher, options={**launcher.options, **after})
        jobs.append(follower.submit(batch, launcher.max_parallel))
    return jobs


def job_groups(workspace: Workspace) -> list[list[Task]]:
    """All tasks as jobs do them: shards apart from each other, everything between two scorings one after the other."""
    groups: list[list[Task]] = []
    for phase in workspace.phases():
        if groups and not independent(phase) and not independent(groups[-1]):
            groups[-1].extend(phase)
        else:
            groups.append(list(phase))
    return groups


def do_line(line: dict[str, Any]) -> int:
    """Do the tasks of a line, and return the exit status: 1 if one cannot be done.

    At a notice the job goes back into the queue; not if it used up its time without finishing a single task.
    """
    started, done, tasks = time.monotonic(), 0, [Task(*task) for task in line["tasks"]]
    try:
        signal.signal(signal.SIGUSR2, _on_notice)
        with Crew(Path(line["folder"]), line["workers"], line["chunk"], line["device"]) as crew:
            for group in [tasks] if independent(tasks) else [[task] for task in tasks]:
                for task in crew.run(group):
                    done += 1
                    print(f"{task} done", flush=True)
    except WorkerError as error:
        print(error, file=sys.stderr)
        return 1
    except Notice:
        used_up = time.monotonic() - started > line["time_limit"] - line["notice"] - TIME_LIMIT_SLACK
        if used_up and not done:
            print(f"no task was done within {line['time_limit']} s: raise the launcher's `time`", file=sys.stderr)
            return 1
        print(f"told to end: {len(tasks) - done} of {len(tasks)} tasks are left", flush=True)
        from submitit.slurm.slurm import SlurmJobEnvironment

        SlurmJobEnvironment()._requeue(0)
    return 0


def _on_notice(signum: int, frame: object) -> None:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    raise Notice


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m labelbench_plus.pairs.jobs")
    parser.add_argument("batch", type=Path)
    parser.add_argument("--task", type=int, default=int(os.environ.get("SLURM_ARRAY_TASK_ID", 0)))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # comes before a preemption too, when USR2 does the rest
    sys.exit(do_line(json.loads(arguments.batch.read_text().splitlines()[arguments.task])))


if __name__ == "__main__":
    main()
