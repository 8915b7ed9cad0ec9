"""What a job of ours says to the scheduler that runs it, and what it is told.

USR2 means that the job is about to be ended (preemption or its time limit); TERM comes before a preemption too.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import TextIO

from labelbench_plus.shown import say

TIME_LIMIT_SLACK = 75.0  # SLURM may send its warning a minute early


class Notice(BaseException):
    """A signal that ends this job's work. Says why."""


def listen_to_scheduler(on_warning: Callable[[], None], on_term: Callable[[], None]) -> None:
    """Call one function at USR2 and the other at TERM."""
    signal.signal(signal.SIGUSR2, lambda signum, frame: on_warning())
    signal.signal(signal.SIGTERM, lambda signum, frame: on_term())


def ignore_scheduler() -> None:
    """What is to be done by now must not be cut off."""
    for each in (signal.SIGUSR2, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def at_its_limit(age: float, limit: float | None, notice: float) -> bool:
    """Whether a job that is so many seconds old is warned because of its time limit."""
    return bool(limit) and age > limit - notice - TIME_LIMIT_SLACK  # type: ignore[operator]


def log(text: object, file: TextIO | None = None) -> None:
    """Print what a job says of its work. Where the disk takes no more of it, the work goes on."""
    with contextlib.suppress(OSError):
        say(text, file=file, flush=True)


def requeue() -> None:
    """Put the SLURM job that this process is back into the queue."""
    from submitit.slurm.slurm import SlurmJobEnvironment

    SlurmJobEnvironment()._requeue(0)
