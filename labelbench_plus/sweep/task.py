"""What a job does: compute the runs of its line in a batch file. Run as a program, by a scheduler or in the background.

    python -m labelbench_plus.sweep.task BATCH.jsonl [--task N]

A line has runs of a sweep, or tasks of a selection of pairs (`sweep/selection.py`). This process loads no torch; its
workers do, so it answers a scheduler's signals at once whatever they are doing: the workers give their runs back and
the job puts itself back in the queue. Should it be killed instead, nothing is lost either: every round is on disk, and
who comes next finds out that the lease's holder is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelbench_plus.running.failures import facts_of, kind_of_attempt
from labelbench_plus.running.job import Job, Mirror, Noted, Where, sharing, still_exists
from labelbench_plus.running.local import DEATH, LEFT, WORKER_DIED, Event, run_local
from labelbench_plus.store.atomic import replace
from labelbench_plus.store.holder import process_name
from labelbench_plus.store.layout import is_done, run_folder
from labelbench_plus.store.lease import RunBusy, acquire, attempts, conclude
from labelbench_plus.store.numbered import numbered
from labelbench_plus.sweep.folder import cancelled, read_batch
from labelbench_plus.sweep.scheduled import (
    Notice,
    at_its_limit,
    give_notice,
    ignore_scheduler,
    listen_to_scheduler,
    log,
    requeue,
)
from labelbench_plus.sweep.selection import do_job

if TYPE_CHECKING:
    from labelbench_plus.contracts.annotators import Purse
    from labelbench_plus.suite import Isolation

INFRA_TRIES = 3
PREEMPTIONS_WITHOUT_A_ROUND = 10
RETRY_SECONDS = 5.0
WANDB_SPREAD_SECONDS = 30.0
GOLDEN = (5**0.5 - 1) / 2
PREEMPTED, TIME_LIMIT, CANCELLED = "preempted", "time limit", "cancelled"


class NoProgress(Exception):
    """A run was cut off repeatedly without committing a round."""


class CodeChanged(Exception):
    """The code is no longer the submitted one."""


class SweepTask:
    """One job of a sweep: the runs of one line of a batch file.

    Parameters
    ----------
    path: the batch file. task: which line.
    """

    def __init__(self, path: Path, task: int) -> None:
        self.started, self._start = time.time(), time.monotonic()
        self.settings, self.runs = read_batch(path, task)
        self.sweep, self.batch, self.task = path.parent.parent, path.stem, task
        self.root = Path(self.settings["root"])
        self.returned: dict[str, str] = {}
        self.longest = float(self.settings["expected_seconds"] or 0)
        self.begun: dict[str, float] = {}
        self._before: dict[str, int] = {}  # the latest attempt at each run when it was begun
        self._unwritten: dict[str, dict[str, Any]] = {}  # failures that could not be written down: of each run the last
        array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        self.in_slurm = self.settings["launcher"] == "slurm" and array is not None
        self.about = {
            "sweep": self.sweep.name,
            "batch": self.batch,
            "task": task,
            "launcher": self.settings["launcher"],
            "job": f"{array}_{index}" if self.in_slurm else process_name(os.getpid()),
            "restart": int(os.environ.get("SLURM_RESTART_COUNT", 0)) if self.in_slurm else 0,
            "node": os.environ.get("SLURMD_NODENAME", socket.gethostname()),
        }

    def run(self) -> int:
        """Do the work. Returns the exit status.

        0: every run is done or cancelled, or the job goes on later under its own name. 1: a run failed. `LEFT`: a run
        is not done for another reason, which its state says; `resume` takes it up.
        """
        listen_to_scheduler(self._on_warning, self._on_term)
        try:
            self._report()
            if changed := self._code_changed():
                for run in self._open():
                    self._refuse(run["id"], changed)
            while todo := [self._job(run) for run in self._open() if self._may_go_on(run["id"])]:
                run_local(
                    todo, self.settings["concurrent"], self._event, may_start=self._may_start, revoked=self._revoked
                )
                self._write_down()
                if not self._infra_failures():
                    break
                time.sleep(RETRY_SECONDS)
        except Notice as notice:
            return self._stopped(str(notice))
        ignore_scheduler()
        self._report(ended=True)
        return self._status()

    def _status(self) -> int:
        left = [run["id"] for run in self._open()]
        if any(self._last(run).get("ended") == "failed" for run in left):
            return 1
        return LEFT if left else 0

    def _stopped(self, why: str) -> int:
        for run in map(self._in_hand, [run["id"] for run in self._open()]):
            if self._last(run).get("batch") == self.batch:
                conclude(self._attempts(run), "stopped", why)
        left = [run["id"] for run in self._open() if self._may_go_on(run["id"])] if why != CANCELLED else []
        log(f"{why}: {len(left)} of {len(self.runs)} runs are left")
        if left and self.in_slurm:
            if requeue():
                return 0
            why = f"{why}, and the cluster would not requeue its job"
            log(f"its runs are given back: lbp sweep resume {self.sweep.name}")
        self.returned.update(dict.fromkeys(left, why))
        self._report(ended=True)
        return self._status()

    def _may_go_on(self, run: str) -> bool:
        """Whether a run that is not done may be computed by this batch; gives up on one that gets nowhere."""
        last = self._last(run)
        if last.get("ended") == "waiting" and last.get("batch") == self.batch:
            return False  # people do not answer while a job looks on: `resume` takes it up
        if last.get("ended") == "failed" and last.get("batch") == self.batch:
            return kind_of_attempt(last) == "infra" and self._infra_tries(run) < INFRA_TRIES
        cut_off, preempted = idle_attempts(run_folder(self.root, self._in_hand(run)))
        if cut_off >= self.settings["idle_attempts"] or preempted >= PREEMPTIONS_WITHOUT_A_ROUND:
            times = f"{cut_off} attempts" + (f" and {preempted} preempted ones" if preempted else "")
            self._refuse(run, NoProgress(f"{times} in a row were cut off before a round was committed"))
            return False
        return True

    def _infra_failures(self) -> bool:
        return any(
            self._last(run["id"]).get("ended") == "failed" and self._may_go_on(run["id"]) for run in self._open()
        )

    def _in_hand(self, run: str) -> str:
        """The run that is worked on for a run: the one that chooses its labels until that is done, then itself."""
        record = next(each for each in self.runs if each["id"] == run)
        first: str = record.get("selection", "")  # batches of earlier versions do not say
        return first if first and not is_done(self.root, first) else run

    def _infra_tries(self, run: str) -> int:
        noted = [a.get("batch") == self.batch and a.get("ended") == "failed" for a in attempts(self._attempts(run))]
        return sum(noted) + self._unwritten.get(run, {}).get("times", 0)

    def _open(self) -> list[dict[str, Any]]:
        """Runs of this job that are neither done nor cancelled."""
        gone = cancelled(self.sweep)
        return [run for run in self.runs if run["id"] not in gone and not is_done(self.root, run["id"])]

    def _job(self, run: dict[str, Any]) -> Job:
        settings = self.settings
        shared = sharing(min(settings["concurrent"], len(self.runs)), settings["device"], settings["cores"])
        plugins = tuple(map(Path, settings["plugins"]))
        return Job(
            run_id=run["id"],
            spec=run["spec"],
            title=run["title"],
            where=Where(
                self.root,
                Path(settings["cache"]),
                settings["device"],
                plugins,
                shared,
                Path(settings["answers"]) if settings.get("answers") else None,
                self._purse,
            ),
            mirror=Mirror(self.sweep.name, settings["wandb"], self.started + wandb_delay(self.task)),
            noted=Noted(self.about, log=True),
            isolate=self._isolation,
            reports=tuple(run.get("reports", ())),  # sweeps of earlier versions do not say
            keep_model=settings.get("keep_models", False),
        )

    @cached_property
    def _purse(self) -> Purse | None:
        from labelbench_plus.contracts.annotators import Purse

        said = self.settings.get("purse")  # sweeps of earlier versions do not say
        return None if said is None else Purse(**said)

    @cached_property
    def _isolation(self) -> Isolation | None:
        from labelbench_plus.suite import Isolation

        said = self.settings.get("isolate")  # sweeps of earlier versions do not say
        return None if said is None else Isolation.model_validate(said)

    def _may_start(self, job: Job) -> bool:
        if self._revoked(job):
            return False
        limit = self.settings["time_limit"]
        if limit is None or not self.begun:
            return True
        left = limit - self._age() - self.settings["notice"]
        if left < self.longest:
            self.returned[job.run_id] = f"{left:.0f} s were left of the job, a run takes up to {self.longest:.0f} s"
            return False
        return True

    def _revoked(self, job: Job) -> bool:
        return job.run_id in cancelled(self.sweep)

    def _age(self) -> float:
        return time.monotonic() - self._start

    def _event(self, event: Event) -> None:
        run = event.job.run_id
        if event.state == "started":
            self.begun[run], self._before[run] = time.monotonic(), self._noted(run).get("number", 0)
        elif event.state == "finished":
            self.longest = max(self.longest, time.monotonic() - self.begun[run])
        elif event.state == "failed":
            self._failed(run, event)
        elif event.state == "revoked":
            conclude(self._attempts(self._in_hand(run)), "stopped", CANCELLED)
        if event.state not in ("round", "withheld"):
            log(f"{time.strftime('%F %T')} {run} {event.state} {event.message}".rstrip())
        if event.state == "failed" and event.detail:
            log(event.detail)

    def _failed(self, run: str, event: Event) -> None:
        """See to it that a failure is noted of its run: here, as long as it cannot be written down."""
        if event.message.startswith(WORKER_DIED):
            self._died(run, event.message)
        noted = self._noted(run)
        if noted.get("ended") == "failed" and noted["number"] > self._before.get(run, 0):
            return
        times = self._unwritten.get(run, {}).get("times", 0) + 1
        failed = {"ended": "failed", "detail": event.message, "failure": dict(event.failure), "times": times}
        self._unwritten[run] = {**self.about, **failed, "number": noted.get("number", 0)}

    def _write_down(self) -> None:
        """Write down what could not be written before, if that can be done now that its workers are gone."""
        for run, failed in list(self._unwritten.items()):
            if is_done(self.root, run):
                del self._unwritten[run]
            elif conclude(self._attempts(run), "failed", failed["detail"], failure=failed["failure"]):
                failed["times"] -= 1  # it counts among those that are written down

    def _died(self, run: str, message: str) -> None:
        """Note that the worker died that had a run in hand."""
        in_hand = self._in_hand(run)
        conclude(self._attempts(in_hand), "failed", message, failure=DEATH)
        if in_hand != run:
            self._note_failure(run, f"{message} (in run {in_hand}, which chooses its labels)", DEATH)

    def _refuse(self, run: str, error: Exception) -> None:
        """Note that a run is not attempted again, and why, as an attempt that failed at once."""
        self._note_failure(run, f"{type(error).__name__}: {error}", facts_of(error))

    def _note_failure(self, run: str, detail: str, failure: dict[str, str]) -> None:
        folder = self._attempts(run)
        with contextlib.suppress(RunBusy, OSError):
            folder.mkdir(parents=True, exist_ok=True)
            lease = acquire(folder, lambda holder: still_exists(holder, self.about), **self.about)
            lease.release("failed", detail, failure=failure)

    def _code_changed(self) -> CodeChanged | None:
        submitted = self.settings["code"]
        if submitted is None:
            return None
        from labelbench_plus.sweep.code import code_version, difference

        plugins = list(map(Path, self.settings["plugins"]))
        said = difference(submitted, code_version(plugins, [run["spec"] for run in self.runs]))
        return CodeChanged(said) if said else None

    def _attempts(self, run: str) -> Path:
        return run_folder(self.root, run) / "attempts"

    def _noted(self, run: str) -> dict[str, Any]:
        """What is written down of the latest attempt at a run."""
        return (attempts(self._attempts(run)) or [{}])[-1]

    def _last(self, run: str) -> dict[str, Any]:
        """What is known of the latest attempt at a run."""
        noted, unwritten = self._noted(run), self._unwritten.get(run)
        return unwritten if unwritten and noted.get("number", 0) <= unwritten["number"] else noted

    def _report(self, ended: bool = False) -> None:
        folder = self.sweep / "tasks" / self.batch
        with contextlib.suppress(OSError):  # it only helps to tell what happened; the runs' own files decide
            folder.mkdir(parents=True, exist_ok=True)
            record = {**self.about, "started": self.started, "ended": ended, "returned": self.returned}
            replace(folder / f"{self.task}.json", json.dumps(record).encode())

    def _on_warning(self) -> None:
        limit, notice = self.settings["time_limit"], self.settings["notice"]
        give_notice(TIME_LIMIT if at_its_limit(self._age(), limit, notice) else PREEMPTED)

    def _on_term(self) -> None:
        """SLURM also sends TERM before it preempts, when USR2 does the rest; only a cancellation ends the work."""
        if not self.in_slurm or {run["id"] for run in self.runs} <= cancelled(self.sweep):
            give_notice(
                CANCELLED if {run["id"] for run in self.runs} & cancelled(self.sweep) else "stopped by a signal"
            )


def wandb_delay(task: int) -> float:
    """Seconds that job `task` of an array waits before contacting W&B: hundreds at once would be refused.

    Multiples of the golden ratio, modulo 1, lie evenly however many there are.
    """
    return task * GOLDEN % 1 * WANDB_SPREAD_SECONDS


def idle_attempts(folder: Path) -> tuple[int, int]:
    """How many of the latest attempts in a row were cut off without a round: by limit or death, and by preemption."""
    productive = set()
    for path in numbered(folder / "costs").values():
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # lost costs say nothing
            productive.add(json.loads(path.read_bytes())["attempt"])
    cut_off = preempted = 0
    for attempt in reversed(attempts(folder / "attempts")):
        if "unreadable" in attempt:
            continue
        if attempt["number"] in productive or attempt.get("ended") in ("failed", "finished"):
            break
        if attempt.get("detail") == PREEMPTED:
            preempted += 1
        elif "ended" not in attempt or attempt.get("detail") == TIME_LIMIT:
            cut_off += 1
        else:
            break
    return cut_off, preempted


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m labelbench_plus.sweep.task")
    parser.add_argument("batch", type=Path)
    parser.add_argument("--task", type=int, default=int(os.environ.get("SLURM_ARRAY_TASK_ID", 0)))
    arguments = parser.parse_args()
    settings, line = read_batch(arguments.batch, arguments.task)
    if "selection" in settings:
        sys.exit(do_job(settings, line))
    sys.exit(SweepTask(arguments.batch, arguments.task).run())


if __name__ == "__main__":
    main()
