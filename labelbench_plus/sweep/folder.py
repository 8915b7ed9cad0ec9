"""A sweep on disk. A run's own folder has everything about its work; this records what was submitted, and to what.

OUT/sweeps/<name>/
  suite.yaml          as given to the last submit
  sweep.json          how jobs are to be started: launcher, device, W&B mode, plugin files
  runs.jsonl          one line a run, ever growing: its id, what it is called, its spec
  submissions.jsonl   what was handed to a scheduler: an intent before, an acknowledgement after
  batches/<id>.jsonl  the payload of a submission: a line of settings, then a line a job with the runs it has
  jobs/<id>/          what the jobs print
  tasks/<id>/<n>.json that job n started, and which runs it gave back
  nodes_excluded.json nodes that died under a job and are left out since; null as the reason: use it again
  code/<hash>/        copies of the code for jobs (submit --snapshot)
  cancelled.json      runs that must not be computed, whatever a scheduler starts
  submitters/         who may submit, one at a time: a lease, as for runs
  pushers/            who may send finished runs to W&B, likewise
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelbench_plus.contracts.launchers import Batch
from labelbench_plus.plugins import label
from labelbench_plus.store import told
from labelbench_plus.store.atomic import publish, replace
from labelbench_plus.store.lease import Lease, RunBusy, acquire

if TYPE_CHECKING:
    from labelbench_plus.spec import RunSpec


class SweepError(Exception):
    """A sweep cannot be used. The message says why and what would be right."""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep: its id, the labels of its parts, its number of rounds, and its spec.

    `selection`: the id of the run that chooses its labels, if that is another one (`RunSpec.proxy`). `reports`: what
    third-party strategies are that were isolated when the spec was made.
    """

    id: str
    problem: str
    trainer: str
    strategy: str
    seed: int
    rounds: int
    spec: dict[str, Any]
    selection: str = ""
    reports: Sequence[str] = ()

    @classmethod
    def of(cls, spec: RunSpec) -> SweepRun:
        """A run as its spec describes it."""
        from labelbench_plus.isolation.reported import reports_of

        return cls(
            id=spec.id,
            problem=label(spec.problem),
            trainer=spec.trainer_label,
            strategy=label(spec.strategy),
            seed=spec.seed,
            rounds=len(spec.amounts),
            spec=spec.as_json(),
            selection=spec.selection.id if spec.proxy is not None else "",
            reports=reports_of((spec.strategy, spec.initial)),
        )

    @property
    def title(self) -> str:
        return f"{self.problem} · {self.trainer} · {self.strategy} · seed {self.seed}"


@dataclass(frozen=True)
class Submission:
    """One batch: what was passed to which launcher; `job` is None until the launcher's answer is recorded.

    Attributes
    ----------
    tasks: the run ids of each of its jobs.
    void: it is known never to have reached the scheduler.
    """

    id: str
    launcher: dict[str, Any]
    tasks: tuple[tuple[str, ...], ...]
    job: str | None = None
    void: bool = False


class Sweep:
    """Reads and writes a sweep's folder.

    Parameters
    ----------
    root: the output directory. name: the suite's.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.folder = root / "sweeps" / name

    def settings(self) -> dict[str, Any]:
        """What the last submit recorded.

        Raises
        ------
        SweepError
            There is no such sweep.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / "sweep.json").read_bytes())
        except FileNotFoundError:
            known = sorted(path.parent.name for path in self.folder.parent.glob("*/sweep.json"))
            hint = f"known: {', '.join(known)}" if known else "submit one first: lbp sweep submit SUITE.yaml"
            raise SweepError(f"no sweep {self.name!r} in {self.root}; {hint}") from None
        except ValueError as error:
            raise SweepError(f"{self.folder / 'sweep.json'} is damaged: {error}; submit again") from error
        return found

    def runs(self) -> list[SweepRun]:
        """Every run that was ever part of the sweep, in the order of submission."""
        found = {record["id"]: SweepRun(**record) for record in _lines(self.folder / "runs.jsonl")}
        return list(found.values())

    def submissions(self) -> list[Submission]:
        """Everything that was passed to a launcher, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        for event in _lines(self.folder / "submissions.jsonl"):
            if event["event"] == "intent":
                tasks = tuple(map(tuple, event["tasks"]))
                found[event["batch"]] = {"id": event["batch"], "launcher": event["launcher"], "tasks": tasks}
            elif event["event"] == "ack":
                found[event["batch"]] |= {"job": event["job"], "void": False}
            elif event["event"] == "void":
                found[event["batch"]]["void"] = True
        return [Submission(**each) for each in found.values()]

    def note(self, **event: Any) -> None:
        """Add an event to the log of submissions, durably."""
        _append(self.folder / "submissions.jsonl", [event])

    def add_runs(self, runs: Iterable[SweepRun]) -> None:
        """Make runs part of the sweep."""
        _append(self.folder / "runs.jsonl", [vars(run) for run in runs])

    def hold(self, role: Literal["submitters", "pushers"] = "submitters") -> Lease:
        """Become the only process that submits, cancels, or sends runs to W&B. Release it afterwards.

        Raises
        ------
        RunBusy
            Somebody else is at it.
        """
        folder = self.folder / role
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return acquire(folder)
        except RunBusy as error:
            doing = {"submitters": "submitted", "pushers": "sent to W&B"}[role]
            raise RunBusy(str(error).replace("is being computed by", f"is being {doing} by")) from None

    def cancelled(self) -> set[str]:
        """Runs that must not be computed."""
        return cancelled(self.folder)

    def set_cancelled(self, runs: Iterable[str]) -> None:
        replace(self.folder / "cancelled.json", json.dumps(sorted(runs)).encode())

    def batch_path(self, batch: str) -> Path:
        return self.folder / "batches" / f"{batch}.jsonl"

    def jobs_folder(self, batch: str) -> Path:
        return self.folder / "jobs" / batch

    def batch(self, name: str, tasks: int, code: Path | None = None) -> Batch:
        """A batch as launchers receive it; its paths are valid wherever a job starts."""
        return Batch(self.name, name, tasks, self.batch_path(name).absolute(), self.jobs_folder(name).absolute(), code)

    def excluded_nodes(self) -> dict[str, str | None]:
        """Nodes that failed under the sweep's jobs, and how; None for one that may be used again."""
        found = _plain(self.folder / "nodes_excluded.json", {})
        return found if isinstance(found, dict) else {}

    def set_excluded_nodes(self, nodes: Mapping[str, str | None]) -> None:
        replace(self.folder / "nodes_excluded.json", json.dumps(nodes, indent=1, sort_keys=True).encode())

    def write_batch(self, batch: str, settings: dict[str, Any], tasks: Iterable[Iterable[SweepRun]]) -> None:
        """Write what the jobs of a batch read when they start."""
        path = self.batch_path(batch)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines: list[Any] = [settings]
        for task in tasks:
            told = ("id", "title", "spec", "selection", "reports")
            lines.append([{name: getattr(run, name) for name in told} for run in task])
        publish(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def read_batch(path: Path, task: int) -> tuple[dict[str, Any], list[Any]]:
    """The settings of a batch and the work of one of its jobs."""
    with open(path, encoding="utf-8") as file:
        settings = json.loads(next(file))
        line = next(islice(file, task, None))
    return settings, json.loads(line)


def cancelled(folder: Path) -> set[str]:
    """Runs of the sweep in `folder` that must not be computed; none if the list is damaged."""
    found = _plain(folder / "cancelled.json", [])
    return {run for run in found if isinstance(run, str)} if isinstance(found, list) else set()


def task_report(folder: Path, batch: str, task: int) -> dict[str, Any] | None:
    """What job `task` of a batch reported, if it ever started."""
    found = _plain(folder / "tasks" / batch / f"{task}.json", None)
    return found if isinstance(found, dict) and {"job", "returned"} <= found.keys() else None


def _plain(path: Path, otherwise: Any) -> Any:
    """What a file holds that is no result; something else where it is not there, or damaged."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError) as error:
        told.once(path, error)
        return otherwise


def _lines(path: Path) -> Iterator[Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.split(b"\n"):
        try:
            if line:
                yield json.loads(line)
        except ValueError:  # cut off by a death in mid-write: what it was to announce never happened
            continue


def _append(path: Path, records: list[Any]) -> None:
    if not records:
        return
    with open(path, "ab+") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())
        file.flush()
        os.fsync(file.fileno())
