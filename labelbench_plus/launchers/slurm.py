"""SLURM through submitit, which writes and submits the job arrays here (`sweep.scheduled` requeues a job from within).

What submitit also offers is left alone: a job's payload is the path of a file rather than a pickle, results are a run's
own files, and states come from those files and one `squeue` a sweep.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

from annotated_types import Ge
from pydantic_core import PydanticCustomError

from labelbench_plus.launchers import (
    Batch,
    Duration,
    Launcher,
    Limits,
    Listed,
    Listing,
    SchedulerError,
    SubmissionUnclear,
    launchers,
    seconds,
)
from labelbench_plus.launchers._slurm_settings import (
    Gpus,
    Memory,
    Names,
    Options,
    ShellLines,
    as_sbatch,
    kinds_of_gpus,
    number_of_gpus,
    ranges,
    together,
)

# A state that is not in here, known today or not, is one in which the job may yet compute.
OVER = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED"),
    *("PREEMPTED", "TIMEOUT"),
}
DEAD_NODE = {"BOOT_FAIL", "NODE_FAIL"}
NODE = re.compile(r"[\w.-]+")  # not "None assigned"
QUERY_SECONDS = 60
ACCOUNTING_SECONDS = 10  # it adds words to what is known without it
DEFAULT_ARRAY = 1001  # SLURM's own default of MaxArraySize
TASK = re.compile(r"\d+(_(\d+|\[.*\]))?")
SUBMITTED = re.compile(r"^\s*(?:Submitted batch job )?(\d+)(?: on cluster \S+|;\S+)?\s*$", re.MULTILINE)
# What sbatch says when it does not know itself whether the controller took the job.
UNCLEAR = re.compile(
    r"timed out|time out|unable to contact|communicat|connection|send/recv|zero bytes|unexpected message|try again"
    r"|could not make sense",
    re.IGNORECASE,
)


@launchers.register("slurm")
@dataclass(frozen=True, kw_only=True)
class Slurm(Launcher):
    """Job arrays on a SLURM cluster.

    Parameters
    ----------
    time: a job's time limit. Choose it for a few rounds, not for a whole run: a job that is cut off resumes where it
        was.
    warning: how long before that SLURM tells the job, which then puts itself back in the queue.
    partition, account, qos, constraint, exclude: as for `sbatch`; several partitions or nodes as a list. SLURM takes
        the partition that starts the job first.
    gpus: of one job, however many runs share it: `2`, of a kind `a100:2`, or as a gres `gpu:a100:2`.
    cpus, memory: of one job likewise.
    memory_per_cpu, memory_per_gpu: instead of `memory`.
    setup: shell lines before the job's command (modules, environments, exports; no secrets).
    srun: arguments for `srun`, e.g. `--cpu-bind=none`.
    options: any other option of `sbatch`, by its long name: `{reservation: tuesday, exclusive: true}`; true for one
        that takes no value.
    """

    title = "SLURM"
    orders_jobs = True

    time: Duration
    warning: Duration = "90s"
    partition: Names | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: Names | None = None
    gpus: Gpus = 0
    cpus: Annotated[int, Ge(1)] = 1
    memory: Memory | None = None
    memory_per_cpu: Memory | None = None
    memory_per_gpu: Memory | None = None
    setup: ShellLines = ()
    srun: ShellLines = ()
    options: Options = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = [name for name in ("memory", "memory_per_cpu", "memory_per_gpu") if getattr(self, name) is not None]
        if len(given) > 1:
            raise PydanticCustomError("plugin", "{what}", {"what": f"{' and '.join(given)}: name one of them"})
        if self.memory_per_gpu and not self.gpus_per_job:
            raise PydanticCustomError("plugin", "{what}", {"what": "memory_per_gpu: no `gpus` are asked for"})

    @property
    def time_limit(self) -> int:
        return -(-seconds(self.time) // 60) * 60  # SLURM counts in minutes

    @property
    def notice(self) -> int:
        return seconds(self.warning)

    @property
    def gpus_per_job(self) -> int:
        return number_of_gpus(self.gpus)

    @property
    def cores(self) -> int:
        return self.cpus

    def limits(self) -> Limits:
        settings = _settings()
        notes = []
        if (array := settings.get("MaxArraySize", "")).isdigit():
            size = int(array)
            notes.append(f"MaxArraySize {size}")
        else:
            size = DEFAULT_ARRAY
            notes.append(f"MaxArraySize unknown, SLURM's default of {size} assumed")
        if "preempt_send_user_signal" not in settings.get("SlurmctldParameters", ""):
            notes.append("a preempted job gets no warning before it is killed: it repeats its current round")
        total = _submit_headroom()
        if total is not None:
            notes.append(f"room for {total} more jobs (MaxSubmitJobs)")
        return Limits(max(1, size), total, tuple(notes))

    def script(self, batch: Batch, parallel: int | None) -> str:
        executor = self._executor(batch, parallel)
        return executor._make_submission_file_text(executor._submitit_command_str, "")

    def submit(self, batch: Batch, parallel: int | None) -> str:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        batch.folder.mkdir(parents=True, exist_ok=True)
        executor = self._executor(batch, parallel)
        try:
            return executor._submit_command(executor._submitit_command_str).job_id
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            words = _last_words(str(error))
        # Whatever sbatch says, the controller may have taken the job: it is the one to ask.
        listing = self.listing(batch.sweep, ())
        if listing is not None and (job := listing.jobs.get(batch.id)):
            return job
        raise (SubmissionUnclear if listing is None or UNCLEAR.search(words) else SchedulerError)(words)

    def listing(self, sweep: str, jobs: Sequence[str]) -> Listing | None:
        fields = "%F|%K|%T|%S|%N|%k|%r"
        answer = _ask(
            "squeue", "-h", "-r", "-t", "all", "-u", getpass.getuser(), "--name", f"lbp-{sweep}", "-o", fields
        )
        if answer is None:
            return None
        tasks: dict[tuple[str, int], Listed] = {}
        became: dict[str, str] = {}
        rows, skipped = _rows(answer, 7)
        for job, task, state, start, node, comment, reason in rows:
            became[comment] = job
            if task.isdigit():
                start = "" if start == "N/A" else start
                tasks[job, int(task)] = Listed(state not in OVER, state, reason, node, start, state == "COMPLETING")
        return Listing(tasks, became, skipped)

    def remembered(self, sweep: str, jobs: Sequence[str]) -> dict[tuple[str, int], Listed]:
        found = {}
        for job, state, code, node in _accounting("-j", ",".join(jobs)):
            number, _, task = job.partition("_")
            status, _, killed_by = code.partition(":")
            reason = f"killed by signal {killed_by}" if killed_by not in ("", "0") else f"exit code {status}"
            if task.isdigit():
                found[number, int(task)] = Listed(state not in OVER, state, reason, node)
        return found

    def failed_nodes(self, sweep: str) -> dict[str, str]:
        listing = self.listing(sweep, ())
        listed = [(f"{job}_{task}", each) for (job, task), each in (listing.tasks if listing else {}).items()]
        told = [(job, each.state, each.node) for job, each in listed]
        told += [(job, state, node) for job, state, _, node in _accounting("--name", f"lbp-{sweep}")]
        return {
            node: f"{state} of job {job}" for job, state, node in told if state in DEAD_NODE and NODE.fullmatch(node)
        }

    def avoiding(self, nodes: Iterable[str]) -> Self:
        excluded = ",".join([*([self.exclude] if self.exclude else []), *sorted(nodes)])
        return replace(self, exclude=excluded or None)

    def cancel(self, job: str, tasks: Sequence[int] | None) -> None:
        target = job if tasks is None else f"{job}_[{ranges(tasks)}]"
        try:
            done = subprocess.run(["scancel", target], capture_output=True, text=True, timeout=QUERY_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SchedulerError(f"scancel {target}: {error}") from error
        if done.returncode and "already completing or completed" not in done.stderr:
            raise SchedulerError(f"scancel {target}: {done.stderr.strip()}")

    def after(self, job: str) -> Self:
        # One whose forerunner failed would wait for ever; the same command submits it again.
        both = ",".join(filter(None, [str(self.options.get("dependency") or ""), f"afterok:{job}"]))
        return replace(self, options={**self.options, "dependency": both, "kill-on-invalid-dep": "yes"})

    @classmethod
    def exists(cls, job: str, restart: int) -> bool:
        answer = _ask("scontrol", "show", "job", "-o", job) or ""
        state = re.search(r"JobState=(\w+)", answer)
        restarts = re.search(r"Restarts=(\d+)", answer)
        return bool(state and restarts and state[1] not in {*OVER, "PENDING"} and int(restarts[1]) == restart)

    def output(self, batch: Batch, job: str, task: int) -> Path:
        return batch.folder / f"{job}_{task}_0_log.out"

    def doctor(self) -> list[tuple[str, bool | None, str]]:
        found: list[tuple[str, bool | None, str]] = [
            (tool, shutil.which(tool) is not None, shutil.which(tool) or "not on the PATH")
            for tool in ("sbatch", "squeue", "scancel", "scontrol", "srun")
        ]
        settings = _settings()
        found.append(("scheduler", bool(settings), settings.get("SLURM_VERSION", "scontrol does not answer")))
        if not settings:
            return found
        found.append(("MaxArraySize", True, settings.get("MaxArraySize", "unknown")))
        requeue = settings.get("JobRequeue") == "1"
        found.append(
            ("JobRequeue", requeue, "on" if requeue else "off: a job on a node that dies is not started again")
        )
        told = "preempt_send_user_signal" in settings.get("SlurmctldParameters", "")
        words = "on" if told else "off: a preempted job gets no warning, and repeats its current round"
        found.append(("preempt_send_user_signal", told or None, words))
        accounting = _ask("sacct", "-n", "-X", "-S", "now-1minutes", "-o", "JobID") is not None
        found.append(("sacct", accounting or None, "answers" if accounting else "no accounting; nothing here needs it"))
        partitions = re.findall(
            r"^PartitionName=(\S+)", _ask("scontrol", "-o", "show", "partition") or "", re.MULTILINE
        )
        for name in (self.partition or "").split(",") if self.partition else ():
            found.append(_among(f"partition {name}", name, partitions))
        accounts = _lines("sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}", "format=Account")
        if self.account and accounts:
            found.append(_among(f"account {self.account}", self.account, accounts))
        gres = re.findall(r"\bgpu:([A-Za-z][\w.-]*)", _ask("sinfo", "-h", "-o", "%G") or "")
        for kind in kinds_of_gpus(self.gpus) if gres else ():
            found.append(_among(f"GPUs {kind}", kind, gres))
        return found

    def _executor(self, batch: Batch, parallel: int | None) -> Any:
        from submitit.core.utils import FailedSubmissionError
        from submitit.slurm.slurm import SlurmExecutor, _make_sbatch_string

        launcher = self

        class Executor(SlurmExecutor):
            """Submits our own command rather than a pickle, from an environment without an outer job's settings."""

            def _make_submission_file_text(self, command: str, uid: str) -> str:
                # SLURM expands % in the names of files, and submitit too, so one in the folder's own name is doubled.
                folder = str(self.folder).replace("%", "\0")
                text: str = _make_sbatch_string(command=command, folder=folder, **self.parameters)
                return text.replace("\0", "%%")

            @staticmethod
            def _get_job_id_from_submission_command(string: bytes | str) -> str:
                text = string if isinstance(string, str) else string.decode(errors="replace")
                if found := SUBMITTED.search(text):
                    return found[1]
                raise FailedSubmissionError(f"could not make sense of what sbatch printed: {text!r}")

            @classmethod
            def affinity(cls) -> int:
                return 2  # a script can be written where there is no SLURM

            @property
            def _submitit_command_str(self) -> str:
                return shlex.join(launcher.command(batch))

            def _make_submission_command(self, submission_file_path: Path) -> list[str]:
                return [*scrubbed(), *super()._make_submission_command(submission_file_path)]

        signal = f"USR2@{self.notice}"  # submitit's can be another, by a variable that jobs do not see
        settings: dict[str, Any] = {
            "job_name": f"lbp-{batch.sweep}",
            "comment": batch.id,
            "time": self.time_limit // 60,
            "signal_delay_s": self.notice,
            "cpus_per_task": self.cpus,
            "mem": self.memory,
            "mem_per_cpu": self.memory_per_cpu,
            "mem_per_gpu": self.memory_per_gpu,
            "stderr_to_stdout": True,
            "setup": list(self.setup),
            "srun_args": ["--ntasks=1", "--open-mode=append", f"--cpus-per-task={self.cpus}", *self.srun],
            "additional_parameters": {
                "requeue": True,
                "signal": signal,
                **together(self.options, as_sbatch(self.gpus)),
            },
            "array_parallelism": parallel or batch.tasks,
        }
        for name in ("partition", "account", "qos", "constraint", "exclude"):
            settings[name] = getattr(self, name)
        executor = Executor(batch.folder)
        executor.parameters.update({name: value for name, value in settings.items() if value is not None})
        executor.parameters["map_count"] = batch.tasks
        executor.parameters["wckey"] = None  # submitit's own is none that a site with wckeys would know
        return executor


def scrubbed() -> list[str]:
    """The beginning of a command line that runs a command without the settings of a job we may be inside of."""
    leaking = [
        name
        for name in os.environ
        if name.startswith(("SLURM_", "SBATCH_", "PMI_", "PMI2_", "PMIX_", "SUBMITIT_")) and name != "SLURM_CONF"
    ]
    return ["env", *[part for name in sorted(leaking) for part in ("-u", name)]]


def _settings() -> dict[str, str]:
    lines = (_ask("scontrol", "show", "config") or "").splitlines()
    return {key.strip(): value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals}


def _submit_headroom() -> int | None:
    """How many more jobs this user may submit, if accounting sets a limit and says so."""
    answer = _ask("sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}", "format=MaxSubmitJobs")
    allowed = [int(line) for line in (answer or "").split() if line.isdigit()]
    if not allowed:
        return None
    queued = _lines("squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%i")
    return max(0, min(allowed) - sum(TASK.fullmatch(line) is not None for line in queued))


def _ask(*command: str, seconds: float = QUERY_SECONDS) -> str | None:
    """What a command prints; None if it is not there, fails or takes longer than this many seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _accounting(*which: str) -> list[tuple[str, str, str, str]]:
    """Job, state, exit code and node of every start of some jobs that accounting remembers, oldest first."""
    fields = "JobID,State,ExitCode,NodeList"
    answer = _ask("sacct", "-n", "-P", "-X", "-D", "-S", "now-7days", "-o", fields, *which, seconds=ACCOUNTING_SECONDS)
    rows, _ = _rows(answer or "", 4)
    return [(job, state.partition(" ")[0], code, node) for job, state, code, node in rows]  # "CANCELLED by 1000"


def _rows(answer: str, cells: int) -> tuple[list[list[str]], int]:
    """Rows that begin with a job's number, of so many cells; and how many other lines there are.

    Sites print notices from wrappers and plugins among what is asked for.
    """
    lines = [line for line in answer.splitlines() if line.strip()]
    rows = [line.split("|", cells - 1) for line in lines]
    fitting = [row for row in rows if len(row) == cells and TASK.fullmatch(row[0])]
    return fitting, len(lines) - len(fitting)


def _lines(*command: str) -> list[str]:
    """The lines that a command prints; none if it does not answer."""
    return [line.strip() for line in (_ask(*command) or "").splitlines() if line.strip()]


def _among(what: str, wanted: str, known: Sequence[str]) -> tuple[str, bool | None, str]:
    """Whether a name is known here; else what is."""
    there = sorted(set(known))
    if not there:
        return what, None, "the scheduler does not say which there are"
    return what, wanted in there, "there" if wanted in there else f"not there; there are {', '.join(there)}"


def _last_words(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if "error:" in line]
    return " ".join(lines) or message.strip()
