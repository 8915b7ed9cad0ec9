"""Many runs on this machine: worker processes of one thread each.

One thread each, so that sums are added up in the same order however many workers there are, and results do not depend
on `--jobs`. A worker that dies takes one run with it and is replaced; the others never notice.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal

from labelbench_plus.contracts.scores import ScoreError
from labelbench_plus.running.job import Job, carry_out

WORKER_DIED = "the worker process died"
POLL_SECONDS = 5.0
PATIENCE_SECONDS = 30.0  # how long a worker may take to give its run back before it is killed; its files are safe then
HELD_BACK = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Event:
    """What happened to a job: `state` is "started", "round", or how it ended; `rounds` are committed by now.

    For a failure `message` is one line and `detail` the traceback, if there is one. A "withheld" job was not started,
    a "revoked" one was stopped, because the caller said so.
    """

    job: Job
    state: Literal["started", "round", "finished", "already done", "busy", "failed", "withheld", "revoked"]
    rounds: int = 0
    message: str = ""
    detail: str = ""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    rounds: int = 0


def run_local(
    jobs: Sequence[Job],
    workers: int,
    on_event: Callable[[Event], None],
    *,
    may_start: Callable[[Job], bool] = lambda job: True,
    revoked: Callable[[Job], bool] = lambda job: False,
) -> None:
    """Carry out `jobs` in order on `workers` processes, telling `on_event` everything that happens.

    Returns when all have ended, however they did. Stopped from outside (Ctrl-C), it asks the workers to give their
    runs back, waits for that, and lets the interruption through.

    Parameters
    ----------
    may_start: asked before each job; a job that may not is passed over.
    revoked: asked every few seconds about each job that is being carried out; a job that is revoked is stopped.
    """
    waiting = deque(jobs)
    crew = [_start() for _ in range(min(workers, len(jobs)))]
    try:
        for worker in crew:
            _hand_out(worker, waiting, on_event, may_start)
        asked = time.monotonic()
        while busy := [worker for worker in crew if worker.job is not None]:
            if due := time.monotonic() - asked >= POLL_SECONDS:
                asked = time.monotonic()
            ready = wait([worker.connection for worker in busy], POLL_SECONDS)
            for worker in busy:
                if worker.connection in ready:
                    if not _listen(worker, on_event):
                        crew[crew.index(worker)] = worker = _start()
                elif due and worker.job is not None and revoked(worker.job):
                    _stop_worker(worker)
                    on_event(Event(worker.job, "revoked", worker.rounds))
                    crew[crew.index(worker)] = worker = _start()
                if worker.job is None:
                    _hand_out(worker, waiting, on_event, may_start)
    finally:
        for worker in crew:
            if worker.job is None:
                with contextlib.suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.terminate()
        for worker in crew:
            _stop_worker(worker)


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    # A signal to the whole group must not kill a worker that is not ready for it yet: `_work` lets them through.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, ours)


def _stop_worker(worker: _Worker) -> None:
    """Wait for a worker to end, telling one that is still at work to stop, and killing it if it takes too long."""
    if worker.job is not None:
        worker.process.terminate()
        worker.process.join(PATIENCE_SECONDS)
        if worker.process.exitcode is None:
            worker.process.kill()
    worker.process.join()


def _hand_out(
    worker: _Worker, waiting: deque[Job], on_event: Callable[[Event], None], may_start: Callable[[Job], bool]
) -> None:
    worker.job = None
    while waiting and worker.job is None:
        job = waiting.popleft()
        if may_start(job):
            worker.job = job
        else:
            on_event(Event(job, "withheld"))
    worker.rounds = 0
    if worker.job is not None:
        on_event(Event(worker.job, "started"))
        with contextlib.suppress(OSError):  # a worker that is dead already is found out by the next `_listen`
            worker.connection.send(worker.job)


def _listen(worker: _Worker, on_event: Callable[[Event], None]) -> bool:
    """Pass on one message of a worker. False if it died."""
    assert worker.job is not None
    try:
        state, value, detail = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        on_event(Event(worker.job, "failed", worker.rounds, f"{WORKER_DIED}: {how}{hint}"))
        return False
    if state == "round":
        worker.rounds = value
        on_event(Event(worker.job, "round", value))
    else:
        on_event(Event(worker.job, state, worker.rounds, value, detail))
        worker.job = None
    return True


def _work(connection: Connection) -> None:
    """A worker: takes jobs from `connection` until it is told to stop or the other side is gone."""
    os.environ.update(ONE_THREAD)
    # Ctrl-C and a scheduler's signals reach the whole group; the parent decides, and it alone tells a worker to stop.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("labelbench_plus").setLevel(logging.INFO)  # encoding a data set can take minutes: say how far
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while (job := connection.recv()) is not None:
            try:
                outcome = carry_out(job, lambda rounds: _tell(connection, rounds))
                connection.send((outcome, "", ""))
            except BrokenPipeError:
                raise
            except Exception as error:
                # Where a score was found to say nothing is no news: the message says which, and of which model.
                detail = "" if isinstance(error, ScoreError) else traceback.format_exc()
                connection.send(("failed", f"{type(error).__name__}: {error}", detail))


def _tell(connection: Connection, rounds: int) -> None:
    try:
        connection.send(("round", rounds, ""))
    except BrokenPipeError:  # the parent is gone: the run is given back, it did not fail
        raise SystemExit(1) from None


def _stop(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)
