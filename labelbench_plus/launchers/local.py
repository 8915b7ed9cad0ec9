"""Processes on this machine, so that a sweep can be tried on a laptop."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from labelbench_plus.launchers import Batch, Launcher, Limits, Listed, Listing, SchedulerError, launchers
from labelbench_plus.store import holder

ALL_RUNS = 1_000_000


@launchers.register("local")
@dataclass(frozen=True, kw_only=True)
class Local(Launcher):
    """One background process that computes all runs with `processes` workers, and outlives the terminal.

    A job's name is the host, the process's number and when it started, by ticks since the boot where there are any, so
    that a later process with the same number is not taken for it, whatever clocks are set to.

    Parameters
    ----------
    processes: runs that are computed at a time.
    """

    title = "This machine"
    reports = "processes"

    processes: Annotated[int, Ge(1)] = os.cpu_count() or 1

    @property
    def runs_per_job(self) -> int:
        return self.pack.get("runs_per_job", ALL_RUNS)

    @property
    def concurrent(self) -> int:
        return self.pack.get("concurrent", self.processes)

    @property
    def cores(self) -> int:
        return os.cpu_count() or 1

    def limits(self) -> Limits:
        return Limits(1)

    def script(self, batch: Batch, parallel: int | None) -> str:
        return shlex.join(self.command(batch)) + "\n"

    def submit(self, batch: Batch, parallel: int | None) -> str:
        batch.folder.mkdir(parents=True, exist_ok=True)
        with open(self.output(batch, "", 0), "ab") as output:
            process = subprocess.Popen(
                self.command(batch), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        return holder.process_name(process.pid)

    def listing(self, sweep: str, jobs: Sequence[str]) -> Listing | None:
        here = f"{socket.gethostname()}:"
        if any(not job.startswith(here) for job in jobs):
            return None
        return Listing({(job, 0): Listed(True, "RUNNING", node=here[:-1]) for job in jobs if _process(job)})

    def cancel(self, job: str, tasks: Sequence[int] | None) -> None:
        if not job.startswith(f"{socket.gethostname()}:"):
            raise SchedulerError(f"{job}: is a process on another machine; cancel it there")
        if pid := _process(job):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    @classmethod
    def exists(cls, job: str, restart: int) -> bool:
        return _process(job) is not None

    def output(self, batch: Batch, job: str, task: int) -> Path:
        return batch.folder / "output.log"

    def doctor(self) -> list[tuple[str, bool | None, str]]:
        return [("processes", True, f"{self.processes} workers on {socket.gethostname()}, {os.cpu_count()} cores")]


def _process(job: str) -> int | None:
    """The number of the process that is a job, if it still is there."""
    pid = int(job.rsplit(":", 2)[1])
    return pid if holder.process_name(pid) == job and not job.endswith(":") else None
