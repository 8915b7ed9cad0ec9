"""A crew: worker processes with one thread each, every one doing one piece of work at a time.

One thread each, so that sums are added in the same order and results do not depend on the number of workers. A worker
that dies loses its piece of work and is replaced; the others never notice.

Workers are forked where that is safe (`start_up.can_fork`): torch is loaded once for all of them, which takes longer
than many runs. Elsewhere each is a new process that sets its thread count before numpy and torch are loaded, so nothing
heavy is imported at the top.
"""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Literal, TypeVar

from labelbench_plus.running.failures import facts_of
from labelbench_plus.start_up import ONE_THREAD, can_fork, collect_as_usual

MOST_HEARD = 2000  # characters of a line
HELD_BACK = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}

W = TypeVar("W")
Do = Callable[[W, Callable[[Any], None]], Any]


@dataclass(frozen=True)
class WorkReport(Generic[W]):
    """The state of a piece of work: it "told" something on the way, is "done", "failed", or its worker "died".

    What its code prints and logs is "said", a line at a time, by a crew that `hears`.

    Attributes
    ----------
    value: what was told, the line that was said, or what came out; of what failed, what is worth keeping of the error
        (`failures.facts_of`).
    message: why it failed ("ValueError: ...") or died, in a line. detail: the traceback of what failed.
    """

    work: W
    state: Literal["told", "said", "done", "failed", "died"]
    value: Any = None
    message: str = ""
    detail: str = ""


@dataclass
class _Worker(Generic[W]):
    process: BaseProcess
    connection: Connection
    work: W | None = None


class Crew(Generic[W]):
    """Up to `size` workers, started on demand. Leaving the context stops those still working.

    Parameters
    ----------
    do: called in a worker with a piece of work and a function that tells something of it. It is sent to the worker, and
        the module that defines it must load nothing heavy.
    patience: seconds that a stopping worker gets to clean up before it is killed. With 0 it is killed at once: its work
        can be cut off anywhere.
    hears: whether output of workers is reported rather than printed by each of them.
    """

    def __init__(self, do: Do[W], size: int, patience: float = 0.0, *, hears: bool = False) -> None:
        self._do, self._size, self._patience, self._hears = do, size, patience, hears
        self._workers: list[_Worker[W]] = []

    def __enter__(self) -> Crew[W]:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:  # all of them, before any is waited for
            self._ask_to_end(worker)
        for worker in self._workers:
            self._end(worker)

    @property
    def busy(self) -> list[W]:
        """What workers are doing."""
        return [worker.work for worker in self._workers if worker.work is not None]

    @property
    def free(self) -> bool:
        """Whether another piece of work can be assigned."""
        return len(self.busy) < self._size

    def hand_out(self, work: W) -> None:
        """Assign a piece of work to an idle worker."""
        worker = next((each for each in self._workers if each.work is None), None)
        if worker is None:
            worker = self._start()
        worker.work = work
        with contextlib.suppress(OSError):  # a worker that is dead already is found out by the next `listen`
            worker.connection.send(work)

    def listen(self, seconds: float | None = None) -> Iterator[WorkReport[W]]:
        """What workers say, one report a worker that says something; waits so long for the first of them."""
        busy = [worker for worker in self._workers if worker.work is not None]
        ready = wait([worker.connection for worker in busy], seconds)
        for worker in busy:
            if worker.connection in ready and worker.work is not None:
                yield self._hear(worker, worker.work)

    def stop(self, work: W) -> None:
        """Stop the worker that does a piece of work."""
        worker = next(each for each in self._workers if each.work is work)
        self._workers.remove(worker)
        self._ask_to_end(worker)
        self._end(worker)

    def _hear(self, worker: _Worker[W], work: W) -> WorkReport[W]:
        try:
            state, value, message, detail = worker.connection.recv()
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.process.join()
            return WorkReport(work, "died", message=_how(worker.process.exitcode or 0))
        if state not in ("told", "said"):
            worker.work = None
        return WorkReport(work, state, value, message, detail)

    def _start(self) -> _Worker[W]:
        fork = _ready_to_fork()
        context = multiprocessing.get_context("fork" if fork else "spawn")
        ours, theirs = context.Pipe()
        # A fork has our ends of all pipes. While it keeps them, no worker would find out that we are gone.
        inherited = [ours, *(each.connection for each in self._workers)] if fork else []
        arguments = (theirs, self._do, self._patience > 0, inherited, self._hears)
        process = context.Process(target=_work, args=arguments, daemon=True)  # type: ignore[attr-defined]
        # A signal to the whole group must not kill a worker that is not ready for it yet: `_work` lets them through.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        worker: _Worker[W] = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _ask_to_end(self, worker: _Worker[W]) -> None:
        if worker.work is None:
            with contextlib.suppress(OSError):
                worker.connection.send(None)
        elif self._patience:
            worker.process.terminate()

    def _end(self, worker: _Worker[W]) -> None:
        """Wait for a worker to end, and kill it if that takes too long."""
        if worker.work is not None:
            worker.process.join(self._patience)
            if worker.process.exitcode is None:
                worker.process.kill()
        worker.process.join()


def _ready_to_fork() -> bool:
    """Whether workers can be forked from this process; loads what they all need."""
    if can_fork():
        import torch

        torch.set_num_threads(1)
    return can_fork()


def _how(code: int) -> str:
    """How a process ended, from its exit code."""
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"{how} (out of memory?)" if code == -signal.SIGKILL else how


class _Heard(io.TextIOBase):
    """A worker's output, sent to the parent a line at a time."""

    encoding = "utf-8"  # who prints asks what can be printed

    def __init__(self, send: Callable[..., None]) -> None:
        self._send, self._line = send, ""

    def write(self, text: str) -> int:
        *lines, self._line = f"{self._line}{text}".split("\n")
        for line in filter(str.strip, lines):
            with contextlib.suppress(OSError):  # a parent that is gone hears nothing
                self._send("said", line[:MOST_HEARD])
        return len(text)

    def writable(self) -> bool:
        return True


def _work(
    connection: Connection, do: Do[Any], stops: bool, inherited: Sequence[Connection], heard: bool = False
) -> None:
    """A worker: does what comes from `connection` until it is told to stop or the other side is gone."""
    for other in inherited:
        other.close()
    os.environ.update(ONE_THREAD)
    collect_as_usual()
    # Ctrl-C and a scheduler's signals reach the whole group; the parent decides, and it alone tells a worker to stop.
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop if stops else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    one_at_a_time = threading.Lock()

    def send(state: str, value: Any, message: str = "", detail: str = "") -> None:
        with one_at_a_time:
            connection.send((state, value, message, detail))

    if heard:
        sys.stdout = sys.stderr = _Heard(send)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", force=heard)
    logging.getLogger("labelbench_plus").setLevel(logging.INFO)  # encoding a data set can take minutes: say how far
    import torch

    torch.set_num_threads(1)

    def tell(what: Any) -> None:
        try:
            send("told", what)
        except BrokenPipeError:  # the parent is gone: the work is given up, it did not fail
            raise SystemExit(1) from None

    with contextlib.suppress(EOFError, BrokenPipeError):
        while (work := connection.recv()) is not None:
            try:
                answer: tuple[Any, ...] = ("done", do(work, tell))
            except Exception as error:  # whatever a plugin raises is the parent's to report
                answer = ("failed", facts_of(error), f"{type(error).__name__}: {error}", traceback.format_exc())
            send(*answer)


def _stop(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)
