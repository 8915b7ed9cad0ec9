"""Launchers: one file each. A launcher takes runs to where they are computed, and reports their state."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge
from pydantic import AfterValidator, BeforeValidator, ConfigDict, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from labelbench_plus.plugins import Plugin, Registry

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
CLOCK = re.compile(r"(?:(?P<d>\d+)-)?(?P<h>\d{1,3}):(?P<m>[0-5]\d):(?P<s>[0-5]\d)")
SPAN = re.compile(r"(?=.)(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")


def seconds(duration: str) -> int:
    """The seconds of a duration such as `2h30m`, `90s`, `04:00:00` or `1-12:00:00`.

    Raises
    ------
    ValueError
        It is not a duration. A bare number and `10:30` are refused: minutes for one scheduler, hours or seconds for
        another.
    """
    match = CLOCK.fullmatch(duration) or SPAN.fullmatch(duration)
    if not match:
        raise ValueError(f"{duration!r} is not a duration: write e.g. 2h30m, 90s, 04:00:00 or 1-12:00:00")
    return sum(int(match[unit] or 0) * UNITS[unit] for unit in UNITS)


def _duration(value: Any) -> Any:
    try:
        if isinstance(value, bool | int | float):
            raise ValueError(f"{value} could be minutes or seconds: write e.g. 2h30m, 90s or 04:00:00")
        if isinstance(value, str) and seconds(value) <= 0:
            raise ValueError(f"{value!r} is no time at all")
    except ValueError as error:
        raise PydanticCustomError("plugin", "{what}", {"what": str(error)}) from None
    return value


def _words(value: Any) -> Any:
    """A command line as its words."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise PydanticCustomError("plugin", "{what}", {"what": f"{value!r}: {error}"}) from None
    return tuple(words) if isinstance(words, list) else words


def _interpreter(value: str) -> str:
    if any(letter.isspace() for letter in value) and not Path(value).exists():
        what = f"{value!r} is no one file: name the interpreter here, and what goes before it as `prefix`"
        raise PydanticCustomError("plugin", "{what}", {"what": what})
    return value


Duration = Annotated[str, BeforeValidator(_duration)]


@with_config(ConfigDict(extra="forbid"))
class Pack(TypedDict, total=False):
    """How runs share a job: how many per job, and how many of these at a time."""

    runs_per_job: Annotated[int, Ge(1)]
    concurrent: Annotated[int, Ge(1)]


class SchedulerError(Exception):
    """The scheduler refused or cannot be reached. The message is the scheduler's."""


class SubmissionUnclear(SchedulerError):
    """The scheduler did not confirm a batch: it may exist already, or appear later."""


@dataclass(frozen=True)
class Batch:
    """What is submitted at once: `tasks` jobs, all reading their runs from `path`.

    Attributes
    ----------
    sweep: the sweep it belongs to; with `id`, it identifies the jobs if the scheduler's answer is lost.
    folder: where the launcher may keep its own files and the jobs' output.
    code: the folder that jobs import this package from; the installed one if None.
    module: what jobs run, with `path` as its argument.
    """

    sweep: str
    id: str
    tasks: int
    path: Path
    folder: Path
    code: Path | None = None
    module: str = "labelbench_plus.sweep.task"


@dataclass(frozen=True)
class Listed:
    """What the scheduler reports about one task.

    Attributes
    ----------
    live: whether it is computing or may still compute. ending: it is being cleaned up, and may or may not restart.
    state, reason: the scheduler's words. start: when it is expected to start again, if known.
    """

    live: bool
    state: str
    reason: str = ""
    node: str = ""
    start: str = ""
    ending: bool = False


@dataclass(frozen=True)
class Listing:
    """Everything the scheduler reports about a sweep: by job and task number, and which job a batch became.

    `skipped`: how many other lines it printed, such as a site's notices.
    """

    tasks: Mapping[tuple[str, int], Listed]
    jobs: Mapping[str, str] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True)
class Limits:
    """How much may be submitted: tasks in one array, tasks in all (None if unknown), and notes for people."""

    array: int
    total: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Launcher(Plugin):
    """Carries runs to where they are computed.

    Parameters
    ----------
    pack: how many runs share a job (`runs_per_job`) and how many of those are computed at a time (`concurrent`).
    max_parallel: at most this many jobs at a time.
    device: where models are trained.
    idle_attempts: a run is given up after being cut off this often in a row without committing a round.
    python: the interpreter that jobs are run by.
    prefix: what goes before it, as one would type it: `apptainer exec --nv image.sif`, `numactl --interleave=all`.
    """

    reports: ClassVar[str] = "scheduler"  # what status calls it
    orders_jobs: ClassVar[bool] = False  # whether a job can be told to wait for another (`after`)

    pack: Pack = field(default_factory=lambda: Pack())
    max_parallel: Annotated[int, Ge(1)] | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    idle_attempts: Annotated[int, Ge(1)] = 2
    python: Annotated[str, AfterValidator(_interpreter)] = sys.executable
    prefix: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()

    @property
    def runs_per_job(self) -> int:
        return self.pack.get("runs_per_job", 1)

    @property
    def concurrent(self) -> int:
        return self.pack.get("concurrent", 1)

    @property
    def time_limit(self) -> int | None:
        """The longest a job may take, in seconds; None if unlimited."""
        return None

    @property
    def notice(self) -> int:
        """Seconds before the limit at which a job is told to stop."""
        return 0

    @property
    def gpus_per_job(self) -> int:
        return 0

    @property
    def cores(self) -> int:
        """Of one job."""
        raise NotImplementedError

    def limits(self) -> Limits:
        """What the scheduler allows now."""
        raise NotImplementedError

    def script(self, batch: Batch, parallel: int | None) -> str:
        """What `submit` passes to the scheduler, for people to read. Needs no scheduler."""
        raise NotImplementedError

    def command(self, batch: Batch) -> list[str]:
        """What a job of the batch runs."""
        run = ["-u", "-m", batch.module, str(batch.path)]
        if batch.code is None:
            return [*self.prefix, self.python, *run]
        paths = os.pathsep.join(filter(None, [str(batch.code), os.environ.get("PYTHONPATH")]))
        # -P, else the directory that a job starts in, which may be a checkout, would come first.
        return [*self.prefix, "env", f"PYTHONPATH={paths}", self.python, "-P", *run]

    def submit(self, batch: Batch, parallel: int | None) -> str:
        """Start a batch, at most `parallel` of its tasks at a time, and return its job's name at once.

        Raises
        ------
        SubmissionUnclear
            It may have been started: `listing` will tell, sooner or later.
        SchedulerError
            Nothing was started.
        """
        raise NotImplementedError

    def listing(self, sweep: str, jobs: Sequence[str]) -> Listing | None:
        """Ask once for the state of a sweep's jobs. None if there is no answer."""
        raise NotImplementedError

    def cancel(self, job: str, tasks: Sequence[int] | None) -> None:
        """End some tasks of a job, or all of it.

        Raises
        ------
        SchedulerError
            They may still be there.
        """
        raise NotImplementedError

    def remembered(self, sweep: str, jobs: Sequence[str]) -> Mapping[tuple[str, int], Listed]:
        """What accounting knows about tasks that `listing` no longer lists; nothing without accounting."""
        return {}

    def failed_nodes(self, sweep: str) -> Mapping[str, str]:
        """Nodes that failed under a sweep's jobs, as far as the scheduler remembers, and its reason."""
        return {}

    def avoiding(self, nodes: Iterable[str]) -> Self:
        """This launcher, not using some nodes."""
        return self

    def after(self, job: str) -> Self:
        """This launcher, starting its jobs only after another job has ended successfully."""
        raise NotImplementedError

    @classmethod
    def exists(cls, job: str, restart: int) -> bool:
        """Whether this incarnation of a job still exists. Also False if there is no answer."""
        raise NotImplementedError

    def output(self, batch: Batch, job: str, task: int) -> Path:
        """The file with what a task printed."""
        raise NotImplementedError

    def doctor(self) -> list[tuple[str, bool | None, str]]:
        """Checks of the site: what was checked, whether it is fine (None: unknown), what was found."""
        raise NotImplementedError


launchers = Registry("launcher", Launcher, "labelbench_plus.launchers")
