"""`lbp sweep cancel`: end runs for good."""

from __future__ import annotations

import json
import sys

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, UNREACHABLE, Json
from labelbench_plus.commands.sweep.common import (
    DryRun,
    Holding,
    Name,
    OneRun,
    Only,
    Out,
    filters_of,
    one_of,
    open_sweep,
)
from labelbench_plus.shown import say


def cancel(
    name: Name,
    out: Out = DEFAULT_OUT,
    run: OneRun = None,
    only: Only = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Cancel a sweep, or some of its runs. Committed rounds are kept.

    Examples:
      lbp sweep cancel digits --only strategy=badge
      lbp sweep cancel digits --dry-run
    """
    from labelbench_plus.contracts.launchers import SchedulerError
    from labelbench_plus.sweep.state import State, launcher_of, look
    from labelbench_plus.sweep.submit import heal

    where = open_sweep(out, name)
    filters = filters_of(only)
    with Holding(where, dry_run):
        runs = where.runs()
        chosen = {one_of(runs, each).id for each in run or ()}
        problems: list[str] = []
        if not dry_run:
            try:
                heal(where)
            except SchedulerError as error:
                problems.append(str(error))
        found = look(where, fresh=True)
        hit = [
            each
            for each in found.runs
            if each.state is not State.DONE
            and (not chosen or each.run.id in chosen)
            and all(getattr(each.run, key) == value for key, value in filters)
        ]
        before = where.cancelled()
        new = [each for each in hit if each.run.id not in before]
        gone = before | {each.run.id for each in hit}
        if not dry_run:
            where.set_cancelled(gone)  # first: a job that is put back in the queue at this very moment finds it there
        settled = gone | {each.run.id for each in found.of(State.DONE)}
        ended = []
        for submission in where.submissions():
            open_tasks = [
                n for n, task in enumerate(submission.tasks) if not settled.issuperset(task) or gone & set(task)
            ]
            over = [n for n in open_tasks if settled.issuperset(submission.tasks[n])]
            if submission.job is None or not over:
                continue
            whole = len(over) == len(submission.tasks)
            ended.append(f"{submission.job}: {'all' if whole else len(over)} of {len(submission.tasks)} jobs")
            if dry_run:
                continue
            try:
                launcher_of(submission).cancel(submission.job, None if whole else over)
            except SchedulerError as error:
                problems.append(str(error))
    verb = "would be cancelled" if dry_run else "cancelled"
    if as_json:
        say(json.dumps({"cancelled": [each.run.id for each in new], "jobs": ended, "problems": problems}))
    else:
        say(f"{len(new)} runs {verb}" + (f", {len(gone) - len(new)} were already" if len(gone) > len(new) else ""))
        for line in ended:
            say(f"  job {line}")
        for line in problems:
            say(f"could not be cancelled: {line}; its jobs will find the cancellation when they look", file=sys.stderr)
    if problems:
        raise typer.Exit(UNREACHABLE)
