"""Sending finished runs to W&B from their files, from a machine that reaches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from labelbench_plus.shown import say
from labelbench_plus.store.layout import is_done, run_files
from labelbench_plus.store.run_store import RunStore, StoreError
from labelbench_plus.sweep.folder import Sweep, SweepRun
from labelbench_plus.sweep.state import computing
from labelbench_plus.tracking.note import mirrored
from labelbench_plus.tracking.wandb_mirror import Subject, mirror_from_files

FAILURES_IN_A_ROW = 3


@dataclass
class Pushed:
    """The outcome of a push: ids of the runs that were sent, were there before, are unfinished, and could not be sent.

    `gave_up`: runs that were not tried any more, since W&B refused several in a row.
    """

    sent: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    gave_up: list[str] = field(default_factory=list)


def push(sweep: Sweep, runs: Sequence[SweepRun], told: Callable[[int, int], None]) -> Pushed:
    """Send every finished run that is not on W&B yet, one after the other.

    What is told is rebuilt from the runs' files, so it does not matter what an earlier attempt got through: the run's
    id says where it goes, and only rounds that are missing there are sent.

    Parameters
    ----------
    sweep: under whose name they go, and whose `pushers` the caller has taken hold of.
    runs: which; those of a suite that was never submitted as a sweep too.
    told: called after each run with how many of how many were tried.
    """
    found = Pushed()
    todo: list[SweepRun] = []
    for run in runs:
        if not is_done(sweep.root, run.id) or computing(sweep, run):
            found.unfinished.append(run.id)
        elif mirrored(run_files(sweep.root, run.id)) == "online":
            found.before.append(run.id)
        else:
            todo.append(run)
    in_a_row = 0
    for number, run in enumerate(todo, start=1):
        if in_a_row == FAILURES_IN_A_ROW:
            found.gave_up = [each.id for each in todo[number - 1 :]]
            break
        store = RunStore(sweep.root, run.id)
        try:
            well = mirror_from_files(
                Subject(run.id, run.strategy, run.seed, store.config()), store, sweep.name, "online"
            )
        except (StoreError, OSError, ValueError) as error:
            say(f"run {run.id} is not sent: {error}", flush=True)
            found.failed.append(run.id)
            continue
        (found.sent if well else found.failed).append(run.id)
        in_a_row = 0 if well else in_a_row + 1
        told(number, len(todo))
    return found
