"""`lbp sweep prune`: remove what a finished sweep no longer needs."""

from __future__ import annotations

import shutil
from pathlib import Path

from labelbench_plus.commands.common import DEFAULT_OUT
from labelbench_plus.commands.sweep.common import DryRun, Holding, Name, Out, open_sweep
from labelbench_plus.shown import counted, say, sized


def prune(name: Name, out: Out = DEFAULT_OUT, dry_run: DryRun = False) -> None:
    """Remove what a finished sweep no longer needs: its batches' payloads, and the logs of jobs and finished runs.

    Unfinished runs keep everything; committed rounds are never touched.

    Examples:
      lbp sweep prune digits
      lbp sweep prune digits --dry-run
    """
    from labelbench_plus.store.layout import run_folder
    from labelbench_plus.sweep.state import State, look

    where = open_sweep(out, name)
    with Holding(where, dry_run):
        found = look(where, fresh=True)
        done = {each.run.id for each in found.of(State.DONE)}
        choosing = {each.run.selection for each in found.of(State.DONE) if each.run.selection}
        doomed: list[Path] = [
            path for run in sorted(done | choosing) for path in (run_folder(out, run) / "attempts").glob("[0-9]*.log")
        ]
        for submission in where.submissions():
            if submission.void or done.issuperset(run for task in submission.tasks for run in task):
                doomed += [where.batch_path(submission.id), where.jobs_folder(submission.id)]
                doomed.append(where.folder / "tasks" / submission.id)
        if len(done) == len(found.runs):
            doomed.append(where.folder / "code")
        doomed = [path for path in doomed if path.exists()]
        files = [file for path in doomed for file in ([path] if path.is_file() else path.rglob("*"))]
        size = sum(file.lstat().st_size for file in files)
        if not dry_run:
            for path in doomed:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    say(f"{counted(len(files), 'file')}, {sized(size)} {'would be ' if dry_run else ''}removed")
