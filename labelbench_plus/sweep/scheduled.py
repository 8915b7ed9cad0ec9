"""How a job communicates with its scheduler.

USR2 means that the job is about to be ended (preemption or its time limit); TERM comes before a preemption too.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from labelbench_plus.shown import say

REQUEUE_TRIES, REQUEUE_SECONDS = 3, 5.0  # there is little time left
SCONTROL_SECONDS = 20.0
TIME_LIMIT_SLACK = 75.0  # SLURM may send its warning a minute early


class Notice(BaseException):
    """A signal that ends this job's work. Says why."""


def listen_to_scheduler(on_warning: Callable[[], None], on_term: Callable[[], None]) -> None:
    """Call one function at USR2 and the other at TERM."""
    signal.signal(signal.SIGUSR2, lambda signum, frame: on_warning())
    signal.signal(signal.SIGTERM, lambda signum, frame: on_term())


def give_notice(why: str) -> NoReturn:
    """End the job's work. Signals that follow are ignored: workers are giving their runs back, and must be waited for.

    Raises
    ------
    Notice
    """
    ignore_scheduler()
    raise Notice(why)


def ignore_scheduler() -> None:
    """Ignore signals from here on: what remains must not be cut off."""
    for each in (signal.SIGUSR2, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def at_its_limit(age: float, limit: float | None, notice: float) -> bool:
    """Whether a job of this age in seconds is warned because of its time limit."""
    return bool(limit) and age > limit - notice - TIME_LIMIT_SLACK  # type: ignore[operator]


def log(text: object, file: TextIO | None = None) -> None:
    """Print a job's log line. If the disk is full, the work continues."""
    with contextlib.suppress(OSError):
        say(text, file=file, flush=True)


def requeue() -> bool:
    """Requeue the SLURM job of this process. False, with the reason printed, if the cluster refuses."""
    from submitit.slurm.slurm import SlurmJobEnvironment

    job = SlurmJobEnvironment().job_id
    for tried in range(REQUEUE_TRIES):
        if tried:
            time.sleep(REQUEUE_SECONDS)
        try:
            done = subprocess.run(
                ["scontrol", "requeue", job], capture_output=True, text=True, timeout=SCONTROL_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        else:
            if not done.returncode:
                return True
            why = done.stderr.strip() or f"exit code {done.returncode}"
        log(f"job {job} cannot go back into the queue: {why}")
    return False
