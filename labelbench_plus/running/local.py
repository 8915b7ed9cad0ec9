"""Many runs on this machine, by a crew of worker processes. Results do not depend on their number (`--jobs`)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labelbench_plus.contracts.scores import ScoreError
from labelbench_plus.inputs.image_files import UnreadableInput
from labelbench_plus.oracle import AnswersPending
from labelbench_plus.running.crew import Crew, WorkReport
from labelbench_plus.running.job import Job, carry_out
from labelbench_plus.running.waiting import noted

WORKER_DIED = "the worker process died"
LEFT = 75  # exit status of who leaves runs undone that did not fail: EX_TEMPFAIL of sysexits.h, come again
DEATH = {"type": "WorkerDied", "where": "", "kind": "resources"}
POLL_SECONDS = 5.0
PATIENCE_SECONDS = 30.0  # how long a worker may take to give its run back before it is killed; its files are safe then


@dataclass(frozen=True)
class Event:
    """What happened to a job: `state` is "started", "round", or how it ended; `rounds` are committed by now.

    For a failure `message` is one line, `detail` the traceback, if there is one, and `failure` what is worth keeping of
    the error. A "waiting" job is given back until somebody has answered, or pays more: `message` says so in words, and
    `noted` what its attempt holds of it. A "withheld" job was not started, a "revoked" one was stopped, because the
    caller said so.
    """

    job: Job
    state: Literal["started", "round", "finished", "already done", "busy", "waiting", "failed", "withheld", "revoked"]
    rounds: int = 0
    message: str = ""
    detail: str = ""
    failure: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, Any] = field(default_factory=dict)


def run_local(
    jobs: Sequence[Job],
    workers: int,
    on_event: Callable[[Event], None],
    *,
    on_ready: Callable[[], None] = lambda: None,
    said: Callable[[str], None] | None = None,
    may_start: Callable[[Job], bool] = lambda job: True,
    revoked: Callable[[Job], bool] = lambda job: False,
) -> None:
    """Run `jobs` in order on `workers` processes, and pass every event to `on_event`.

    Returns when all have ended, in whatever way. When interrupted (Ctrl-C), it asks the workers to release their runs,
    waits for that, and re-raises the interruption.

    Parameters
    ----------
    on_ready: called once, when every worker has started: with forked workers, no thread may start earlier.
    said: called with each line that the runs' code prints or logs; None leaves that to the workers.
    may_start: asked before each job; if False, the job is skipped.
    revoked: asked every few seconds about each running job; a revoked job is stopped.
    """
    waiting, rounds = deque(jobs), dict[str, int]()
    asked, ready = time.monotonic(), False
    with Crew(carry_out, workers, PATIENCE_SECONDS, hears=said is not None) as crew:
        while waiting or crew.busy:
            while waiting and crew.free:
                job = waiting.popleft()
                if not may_start(job):
                    on_event(Event(job, "withheld"))
                    continue
                rounds[job.run_id] = 0
                on_event(Event(job, "started"))
                crew.hand_out(job)
            if not ready:
                ready = True
                on_ready()
            for report in crew.listen(POLL_SECONDS):
                if report.state == "said" and said is not None:
                    said(report.value)
                    continue
                if report.state == "told":
                    rounds[report.work.run_id] = report.value
                on_event(_event(report, rounds[report.work.run_id]))
            if time.monotonic() - asked >= POLL_SECONDS:
                asked = time.monotonic()
                for job in crew.busy:
                    if revoked(job):
                        crew.stop(job)
                        on_event(Event(job, "revoked", rounds[job.run_id]))


def _event(report: WorkReport[Job], rounds: int) -> Event:
    if report.state == "told":
        return Event(report.work, "round", rounds)
    if isinstance(report.value, AnswersPending):
        return Event(report.work, "waiting", rounds, str(report.value), noted=noted(report.value))
    if report.state == "done":
        return Event(report.work, report.value, rounds)
    if report.state == "died":
        return Event(report.work, "failed", rounds, f"{WORKER_DIED}: {report.message}", failure=DEATH)
    # Where a score was found to say nothing is no news, nor where an image was read: the message says which.
    plain = report.message.startswith((f"{ScoreError.__name__}:", f"{UnreadableInput.__name__}:"))
    return Event(report.work, "failed", rounds, report.message, "" if plain else report.detail, report.value)
