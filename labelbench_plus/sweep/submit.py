"""Submitting runs to a launcher: what would be submitted and why, then doing so in a way that survives a crash."""

from __future__ import annotations

import hashlib
import math
import signal
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.launchers import (
    Batch,
    Launcher,
    Limits,
    Listing,
    SchedulerError,
    SubmissionUnclear,
)
from labelbench_plus.plugins import describe
from labelbench_plus.running.failures import group, kind_of_attempt
from labelbench_plus.running.waiting import lacks_money
from labelbench_plus.shown import counted
from labelbench_plus.sweep.folder import Submission, Sweep, SweepRun, task_report
from labelbench_plus.sweep.state import RunStatus, State, launcher_of

ENOUGH_FINISHED = 10  # this many runs must have ended before their failing in the same way means anything

Wanted = Callable[[RunStatus], bool]


@dataclass(frozen=True)
class Plan:
    """What would be submitted.

    Attributes
    ----------
    batches: each with the runs of each of its jobs.
    skipped: runs that are not submitted, with the reason.
    waiting: runs for which the scheduler has no room now.
    hours: GPU hours (or, without GPUs, hours of one job) that this is expected to take, judged by runs that are done.
    ceiling: the same if every job used up its time limit once.
    slowest: seconds that all but one in twenty of the finished runs took.
    """

    launcher: Launcher
    batches: tuple[tuple[Batch, tuple[tuple[SweepRun, ...], ...]], ...]
    parallel: tuple[int | None, ...]
    skipped: tuple[tuple[RunStatus, str], ...]
    waiting: tuple[SweepRun, ...]
    limits: Limits
    hours: float | None
    ceiling: float | None
    slowest: float | None

    @property
    def runs(self) -> list[SweepRun]:
        return [run for _, tasks in self.batches for task in tasks for run in task]

    @property
    def jobs(self) -> int:
        return sum(batch.tasks for batch, _ in self.batches)


@dataclass
class Submitted:
    """What was submitted: the launcher's job names and their numbers of jobs; and what was not, with the reason."""

    jobs: list[tuple[str, int]] = field(default_factory=list)
    runs: int = 0
    refused: tuple[SweepRun, ...] = ()
    error: str = ""
    interrupted: bool = False


def new_only(each: RunStatus) -> bool:
    """What `submit` submits by default, including runs that wait for money, since more may be paid now."""
    return each.state is State.NEW or (each.state is State.WAITING and lacks_money(each.files.last))


def unfinished(each: RunStatus) -> bool:
    """What `resume` resumes by default: nothing that would fail again in the same way, nothing cancelled."""
    if each.state is State.FAILED:
        return kind_of_attempt(each.files.last) == "infra"
    return each.state in (State.NEW, State.LOST, State.WAITING)


def failing_alike(statuses: Sequence[RunStatus], percent: float) -> str:
    """What more than `percent` of the finished runs failed of, in words; empty if there is no such cause yet."""
    failed = [each for each in statuses if each.state is State.FAILED]
    finished = len(failed) + sum(each.state in (State.DONE, State.INVALID) for each in statuses)
    causes = group((each.run.id, {**each.files.last, "detail": each.note}) for each in failed)
    if finished < ENOUGH_FINISHED or not causes or 100 * len(causes[0].runs) <= percent * finished:
        return ""
    what = causes[0].what.splitlines()[0] + (f" in {causes[0].where}" if causes[0].where else "")
    return f"{len(causes[0].runs)} of {finished} finished runs failed in the same way: {what}"


def plan(
    sweep: Sweep,
    statuses: Sequence[RunStatus],
    launcher: Launcher,
    wanted: Wanted,
    limit: int | None,
    live: int = 0,
    code: Path | None = None,
) -> Plan:
    """Decide what to submit.

    Parameters
    ----------
    wanted: which runs. limit: at most so many of them.
    live: batches of the sweep that are still being computed; they count when `max_parallel` is divided.
    code: where jobs find the code; the installed one if None.
    """
    chosen = [each for each in statuses if wanted(each)]
    skipped = [(each, _reason(each)) for each in statuses if not wanted(each)]
    if limit is not None:
        skipped += [(each, f"--limit {limit}") for each in chosen[limit:]]
        chosen = chosen[:limit]
    runs = [each.run for each in chosen]
    if launcher.concurrent == 1:
        runs = together(runs)
    limits = launcher.limits()
    size = launcher.runs_per_job
    tasks = [tuple(runs[start : start + size]) for start in range(0, len(runs), size)]
    room = len(tasks) if limits.total is None else limits.total
    waiting = tuple(run for task in tasks[room:] for run in task)
    tasks = tasks[:room]
    before = len(sweep.submissions())
    batches = []
    for number, start in enumerate(range(0, len(tasks), limits.array), start=before + 1):
        part = tuple(tasks[start : start + limits.array])
        name = _batch_name(sweep, number, part)
        batches.append((sweep.batch(name, len(part), code), part))
    seconds = {each.run.id: each.files.seconds for each in statuses if each.files.seconds is not None}
    expected = _expected(statuses, runs, seconds)
    units = max(1, launcher.gpus_per_job)
    return Plan(
        launcher=launcher,
        batches=tuple(batches),
        parallel=_shares(launcher.max_parallel, len(batches), live),
        skipped=tuple(skipped),
        waiting=waiting,
        limits=limits,
        hours=expected * units / launcher.concurrent / 3600 if expected is not None else None,
        ceiling=len(tasks) * launcher.time_limit * units / 3600 if launcher.time_limit else None,
        slowest=sorted(seconds.values())[math.ceil(0.95 * len(seconds)) - 1] if seconds else None,
    )


def together(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs in order, except that those whose labels one run chooses follow each other.

    One after the other in one job, none waits for the choices of another job's.
    """
    first: dict[str, int] = {}
    for number, run in enumerate(runs):
        first.setdefault(run.selection or run.id, number)
    return sorted(runs, key=lambda run: first[run.selection or run.id])


def heal(sweep: Sweep) -> list[str]:
    """Clear up submissions whose answer was never recorded. Returns what was found, for people.

    Raises
    ------
    SchedulerError
        The scheduler has to be asked and does not answer.
    """
    words = []
    asked: dict[str, Listing | None] = {}
    for each in sweep.submissions():
        if each.job is not None:
            continue
        name = each.launcher["name"]
        if name not in asked:
            asked[name] = launcher_of(each).listing(sweep.name, [])
        listing = asked[name]
        if listing is None and not each.void:
            raise SchedulerError("the scheduler does not answer")
        # One that was given up is looked for as well: a controller under load may take a job minutes later.
        job = (listing.jobs.get(each.id) if listing else None) or _job_of_reports(sweep, each)
        if job:
            sweep.note(event="ack", batch=each.id, job=job, adopted=True)
            words.append(f"job {job} had been submitted as {each.id} without confirmation; it is counted again")
        elif not each.void:
            sweep.note(event="void", batch=each.id, error="never reached the scheduler")
            words.append(f"{each.id} never reached the scheduler; its {sum(map(len, each.tasks))} runs are free again")
    return words


def submit(
    sweep: Sweep,
    planned: Plan,
    settings: dict[str, Any],
    told: Callable[[str], None],
    enough: Callable[[], str] = lambda: "",
) -> Submitted:
    """Submit a plan's batches one after the other, up to the first that is refused.

    Each is announced in the sweep's log before and acknowledged after, so that a death in between costs nothing: the
    next submit asks the scheduler what became of it. Ctrl-C is answered between two batches.

    Parameters
    ----------
    enough: asked before each further batch for a reason to stop.
    """
    done = Submitted()
    with _deferred_interrupt() as interrupted:
        for number, ((batch, tasks), parallel) in enumerate(zip(planned.batches, planned.parallel, strict=True)):
            if number and (reason := enough()):
                done.error = f"submitted no further: {reason}"
                done.refused = _from(planned, number)
                return done
            ids = [[run.id for run in task] for task in tasks]
            sweep.write_batch(batch.id, settings, tasks)
            sweep.note(event="intent", batch=batch.id, launcher=describe(planned.launcher), tasks=ids)
            try:
                job = planned.launcher.submit(batch, parallel)
            except SubmissionUnclear as error:  # `heal` finds out
                done.error = f"no answer: {error}; whether it went in is asked before anything else is submitted"
                done.refused = _from(planned, number)
                return done
            except SchedulerError as error:
                sweep.note(event="void", batch=batch.id, error=str(error))
                done.error = f"refused: {error}"
                done.refused = _from(planned, number)
                return done
            sweep.note(event="ack", batch=batch.id, job=job)
            done.jobs.append((job, batch.tasks))
            done.runs += sum(map(len, tasks))
            told(f"job {job}: {counted(batch.tasks, 'job')}, {counted(sum(map(len, tasks)), 'run')}")
            if interrupted():
                done.interrupted = True
                return done
    return done


def _from(planned: Plan, batch: int) -> tuple[SweepRun, ...]:
    return tuple(run for _, tasks in planned.batches[batch:] for task in tasks for run in task)


def _batch_name(sweep: Sweep, number: int, tasks: Sequence[Sequence[SweepRun]]) -> str:
    """Counted, and distinguished from another directory's: the scheduler finds a batch again by this name."""
    digest = hashlib.sha256(str(sweep.folder.absolute()).encode())
    for task in tasks:
        for run in task:
            digest.update(run.id.encode())
    return f"b{number:04d}-{digest.hexdigest()[:8]}"


def _shares(parallel: int | None, batches: int, live: int) -> tuple[int | None, ...]:
    if parallel is None:
        return (None,) * batches
    whole = batches + live
    return tuple(max(1, parallel // whole + (number < parallel % whole)) for number in range(batches))


def _expected(statuses: Sequence[RunStatus], runs: Sequence[SweepRun], seconds: dict[str, float]) -> float | None:
    """Seconds that `runs` take together: each the median of finished runs that differ from it in the seed alone."""
    if not seconds:
        return None
    alike: dict[tuple[str, str, str], list[float]] = {}
    for each in statuses:
        if each.run.id in seconds:
            key = (each.run.problem, each.run.trainer, each.run.strategy)
            alike.setdefault(key, []).append(seconds[each.run.id])
    usual = statistics.median(seconds.values())
    typical = {key: statistics.median(values) for key, values in alike.items()}
    return sum(typical.get((run.problem, run.trainer, run.strategy), usual) for run in runs)


def _reason(each: RunStatus) -> str:
    if each.state is State.FAILED:
        return f"failed: {each.note.splitlines()[0] if each.note else 'without a trace'}"
    hints = {
        State.CANCELLED: "cancelled (resume --cancelled)",
        State.LOST: "lost (resume)",
        State.WAITING: f"{each.note} (resume {'--pay' if lacks_money(each.files.last) else 'when they are there'})",
    }
    return hints.get(each.state, each.state.lower())


def _job_of_reports(sweep: Sweep, submission: Submission) -> str | None:
    for task in range(len(submission.tasks)):
        if report := task_report(sweep.folder, submission.id, task):
            return str(report["job"]).partition("_")[0]
    return None


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Ask whether Ctrl-C was pressed, instead of being torn apart by it between a scheduler's answer and its note.

    The signal is also blocked, for the sake of the scheduler's command: it inherits that and gets to its end.
    """
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield lambda: bool(seen) or signal.SIGINT in signal.sigpending()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
