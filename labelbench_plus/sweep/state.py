"""The state of each run of a sweep. Files decide; a scheduler is asked once about what they leave open."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from labelbench_plus.contracts.launchers import Launcher, Listed, Listing
from labelbench_plus.plugins import registry
from labelbench_plus.running.failures import kind_of_attempt
from labelbench_plus.shown import counted
from labelbench_plus.store.atomic import file_server_time, replace
from labelbench_plus.store.layout import RESULT, is_done, packed_run, run_folder, steadily
from labelbench_plus.store.lease import heartbeat_age, held_by, read_attempt
from labelbench_plus.store.numbered import file_name, numbered
from labelbench_plus.store.readable import Readable
from labelbench_plus.sweep.folder import Submission, Sweep, SweepError, SweepRun, task_report
from labelbench_plus.sweep.task import INFRA_TRIES
from labelbench_plus.tracking.note import mirrored

CACHE_SECONDS = 20.0
SAYS = "the scheduler says"
PACED_RUNS = 20
TIMED_RUNS = 500  # so many finished runs are enough to judge by what others will take
SETTLED_NS = 2_000_000_000  # a file changed so recently may change again within the same tick of its clock


class State(StrEnum):
    """Of a run. The first that fits, in this order, is its state.

    DONE: its result is there. INVALID: a result is there, but contradicts its rounds. RUNNING: somebody alive holds it,
    or its job is being cleaned up at this moment.
    REQUEUED: its job was cut off and will start again. PENDING: its job waits, or has not come to it. CANCELLED: it was
    cancelled and nobody computes it. WAITING: somebody was asked and has to answer, or more has to be paid than may be,
    before it can go on; `resume` takes it up again. FAILED: its last attempt failed. UNKNOWN: it was submitted, and no
    scheduler answers. LOST: it was submitted, and the scheduler no longer knows of it. NEW: it was not submitted, or
    given back.
    """

    DONE = "DONE"
    INVALID = "INVALID"
    RUNNING = "RUNNING"
    REQUEUED = "REQUEUED"
    PENDING = "PENDING"
    CANCELLED = "CANCELLED"
    WAITING = "WAITING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    LOST = "LOST"
    NEW = "NEW"


@dataclass
class Files:
    """What a run's own files say, at the modification times in `stamp`."""

    stamp: list[int]
    rounds: int = 0
    attempts: int = 0
    result: str = ""  # "valid", or what is wrong with it; empty if there is none
    last: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None  # what its rounds took; known of some of the runs that are done
    pace: float | None = None  # seconds a round of some that are not done, while none is
    mirrored: str = ""  # "online" or "offline", of a run that is done, if the sweep mirrors its runs to W&B


@dataclass(frozen=True)
class RunStatus:
    """A run and its state; `note` is for people."""

    run: SweepRun
    state: State
    files: Files
    note: str = ""
    node: str = ""
    submission: str | None = None
    task: int | None = None


@dataclass(frozen=True)
class SweepStatus:
    """A whole sweep. `scheduler` says for each launcher in use whether it answered.

    `unmirrored`: how many finished runs are not on W&B although the sweep was asked to mirror them.
    """

    name: str
    runs: list[RunStatus]
    scheduler: dict[str, str]
    unmirrored: int = 0

    def count(self, *states: State) -> int:
        return sum(each.state in states for each in self.runs)

    def of(self, *states: State) -> list[RunStatus]:
        return [each for each in self.runs if each.state in states]


def look(sweep: Sweep, *, fresh: bool = False, runs: Sequence[SweepRun] | None = None) -> SweepStatus:
    """Determine the state of every run.

    Parameters
    ----------
    fresh: ask the scheduler even if it was asked a few seconds ago.
    runs: of which runs; all of the sweep's if left out.
    """
    runs = sweep.runs() if runs is None else runs
    submissions = sweep.submissions()
    placed = {
        run: (each, n) for each in submissions if not each.void for n, task in enumerate(each.tasks) for run in task
    }
    # The order matters: log, then scheduler, then files. A job that ends in between has left its files by then; were
    # the files read first, it would look as if it had vanished.
    cache = _Cache(sweep)
    finished = {run.id for run in runs if cache.finished(run)}
    in_question = {placed[run.id][0].id for run in runs if run.id in placed and run.id not in finished}
    listings, words = _ask(sweep, [each for each in submissions if each.id in in_question], fresh)
    clock = _Clock(sweep.folder)
    submitting = bool(in_question) and _held(sweep.folder / "submitters", clock)
    gone = sweep.cancelled()
    statuses = []
    for run in runs:
        files = cache.files(run)
        where = placed.get(run.id)
        statuses.append(_judge(sweep, run, files, where, listings, run.id in gone, submitting, clock))
    cache.write()
    statuses = _with_accounting(sweep, statuses, submissions)
    done = [each for each in statuses if each.state is State.DONE]
    unmirrored = sum(each.files.mirrored != "online" for each in done) if cache.mirroring else 0
    return SweepStatus(sweep.name, statuses, words, unmirrored)


def _judge(
    sweep: Sweep,
    run: SweepRun,
    files: Files,
    where: tuple[Submission, int] | None,
    listings: Mapping[str, Listing | None],
    gone: bool,
    submitting: bool,
    clock: _Clock,
) -> RunStatus:
    submission, task = where if where else (None, None)

    def status(state: State, note: str = "", node: str = "") -> RunStatus:
        return RunStatus(run, state, files, note, node, submission.id if submission else None, task)

    if files.result:
        return status(State.DONE) if files.result == "valid" else status(State.INVALID, files.result)
    last = files.last
    if last and (beat := _alive(run_folder(sweep.root, run.id) / "attempts", last, clock)) is not None:
        return status(State.RUNNING, f"heartbeat {max(0, beat):.0f} s ago", last.get("node", last["host"]))
    failed, waiting = last.get("ended") == "failed", last.get("ended") == "waiting"
    listing, listed, job = None, None, None
    if submission is not None and task is not None:
        listing = listings.get(submission.id)
        job = submission.job or (listing.jobs.get(submission.id) if listing else None)
        listed = listing.tasks.get((job, task)) if listing and job else None
    here = submission is not None and last.get("batch") == submission.id
    if listed and listed.live and not gone:
        again = kind_of_attempt(last) == "infra" and files.attempts < INFRA_TRIES
        if here and waiting:
            return status(State.WAITING, last["detail"])
        if here and not failed and listed.ending:
            return status(State.RUNNING, "its job is ending", listed.node)
        if run.selection and not last and _held(run_folder(sweep.root, run.selection) / "attempts", clock):
            return status(State.RUNNING, f"run {run.selection} chooses its labels", listed.node)
        if not (failed and here and not again):
            return status(State.REQUEUED if here else State.PENDING, _words(listed), listed.node)
    if gone:
        return status(State.CANCELLED)
    if waiting and (here or submission is None):
        return status(State.WAITING, last["detail"])
    if failed and (here or submission is None):
        return status(State.FAILED, last.get("detail", ""), last.get("node", ""))
    if submission is None or task is None:
        return status(State.NEW)
    report = task_report(sweep.folder, submission.id, task)
    if report and run.id in report["returned"]:
        return status(State.NEW, f"given back: {report['returned'][run.id]}")
    if job is None and report is None:
        if submitting:
            return status(State.PENDING, "being submitted")
        if listing is not None:
            return status(State.NEW, "its submission did not go through")
    if listing is None:
        return status(State.UNKNOWN, "submitted, and no scheduler answers")
    return status(State.LOST, obituary(listed, last), last.get("node", ""))


def _with_accounting(sweep: Sweep, statuses: list[RunStatus], submissions: Sequence[Submission]) -> list[RunStatus]:
    """What the scheduler's accounting, if any, says about runs that were lost without notice."""
    mute = {each.submission for each in statuses if each.state is State.LOST and not each.note.startswith(SAYS)}
    by_launcher: defaultdict[str, list[Submission]] = defaultdict(list)
    for each in submissions:
        if each.id in mute and each.job:
            by_launcher[each.launcher["name"]].append(each)
    told: dict[tuple[str | None, int | None], Listed] = {}
    for members in by_launcher.values():
        remembered = launcher_of(members[-1]).remembered(sweep.name, [each.job for each in members if each.job])
        batches = {each.job: each.id for each in members}
        told |= {(batches[job], task): listed for (job, task), listed in remembered.items() if job in batches}
    return [
        dataclasses.replace(each, note=obituary(listed, {}))
        if each.state is State.LOST and (listed := told.get((each.submission, each.task)))
        else each
        for each in statuses
    ]


def _words(listed: Listed) -> str:
    words = listed.state + (f" ({listed.reason})" if listed.reason not in ("", "None") else "")
    if listed.state == "PENDING" and listed.start:
        words += f", starts ≈ {listed.start.partition('T')[2][:5]}"
    return words


def obituary(listed: Listed | None, last: dict[str, Any]) -> str:
    """What is known about the end of a job that did not report it: from the scheduler and its last attempt."""
    if listed:
        why = f", {listed.reason}" if listed.reason not in ("", "None") else ""
        return f"{SAYS} {listed.state}" + (f" on {listed.node}" if listed.node else "") + why
    if last:
        return f"the scheduler no longer knows job {last.get('job', '?')}; it was cut off on {last.get('node', '?')}"
    return "the scheduler no longer knows its job, which never started it"


def computing(sweep: Sweep, run: SweepRun) -> bool:
    """Whether a living process holds the run."""
    return _held(run_folder(sweep.root, run.id) / "attempts", _Clock(sweep.folder))


class _Clock:
    """The file server's, by which heartbeats are dated; this machine's where nothing can be written to look at it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def now(self) -> float:
        return time.time() + self._ahead

    @cached_property
    def _ahead(self) -> float:
        with contextlib.suppress(OSError):
            return file_server_time(self._folder) - time.time()
        return 0.0


def _alive(folder: Path, last: dict[str, Any], clock: _Clock) -> float | None:
    """Seconds since the last heartbeat of an attempt that is held by somebody alive; None of any other."""
    if "ended" in last:
        return None
    with contextlib.suppress(OSError):
        age = heartbeat_age(folder / file_name(last["number"]), clock.now())
        return age if held_by(last, age) is not None else None
    return None


def _held(folder: Path, clock: _Clock) -> bool:
    with contextlib.suppress(OSError):
        return bool(known := numbered(folder)) and _alive(folder, read_attempt(folder, max(known)), clock) is not None
    return False


def launcher_of(submission: Submission) -> Launcher:
    """The launcher of a batch."""
    built: Launcher = registry("launchers").build(submission.launcher)
    return built


def _ask(
    sweep: Sweep, submissions: Sequence[Submission], fresh: bool
) -> tuple[dict[str, Listing | None], dict[str, str]]:
    """Ask each launcher once about all its batches, unless that was done a moment ago."""
    by_launcher: defaultdict[str, list[Submission]] = defaultdict(list)
    for each in submissions:
        by_launcher[each.launcher["name"]].append(each)
    listings: dict[str, Listing | None] = {}
    words = {}
    for name, members in by_launcher.items():
        path = sweep.folder / f".{name}-listing.json"
        listing = None if fresh else _recent(path, sweep.folder / "submissions.jsonl")
        launcher = launcher_of(members[-1])
        if listing is None:
            listing = launcher.listing(sweep.name, [each.job for each in members if each.job])
            if listing is not None:
                plain = {
                    "tasks": [[*key, vars(value)] for key, value in listing.tasks.items()],
                    "jobs": dict(listing.jobs),
                    "skipped": listing.skipped,
                }
                with contextlib.suppress(OSError):  # somebody else's sweep can be looked at all the same
                    replace(path, json.dumps(plain).encode())
        words[launcher.reports] = _reported(listing)
        listings.update(dict.fromkeys((each.id for each in members), listing))
    return listings, words


def _reported(listing: Listing | None) -> str:
    """What is said of a scheduler's answer."""
    if listing is None:
        return "unavailable (states from files only)"
    return "ok" if not listing.skipped else f"ok, {counted(listing.skipped, 'line')} of something else passed over"


def _recent(path: Path, log: Path) -> Listing | None:
    """The last answer, unless it is too old or something was submitted since."""
    try:
        asked = path.stat().st_mtime
        if abs(time.time() - asked) > CACHE_SECONDS or log.stat().st_mtime >= asked:
            return None
        plain = json.loads(path.read_bytes())
        tasks = {(job, task): Listed(**each) for job, task, each in plain["tasks"]}
        return Listing(tasks, plain["jobs"], plain["skipped"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Cache:
    """What was read of each run's files, kept with their times of change, so that only what changed is read again."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._path = sweep, sweep.folder / ".index.json"
        self._changed, self._paced = False, 0
        try:
            self.mirroring = sweep.settings().get("wandb", "disabled") != "disabled"
        except SweepError:  # it is about to be submitted for the first time
            self.mirroring = False
        try:
            self._known = {run: vars(Files(**each)) for run, each in json.loads(self._path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}
        self._timed = sum(known["seconds"] is not None for known in self._known.values())

    def finished(self, run: SweepRun) -> bool:
        known = self._known.get(run.id)
        return known is not None and known["result"] == "valid"

    def files(self, run: SweepRun) -> Files:
        """What the files of a run say now."""
        folder: Readable = run_folder(self._sweep.root, run.id)
        name = str(folder)  # joining paths as objects would take longer than all the rest, for thousands of runs
        known = self._known.get(run.id)
        result = _changed_at(name + "/result.json")
        if not result and (packed := packed_run(self._sweep.root, run.id)) is not None:
            folder, result = packed, packed.pack.changed
        if known and known["result"] and known["stamp"][:1] == [result]:
            if self.mirroring and known["mirrored"] != "online" and (mode := mirrored(folder)) != known["mirrored"]:
                known["mirrored"], self._changed = mode, True
            return Files(**known)
        stamp = [result, _changed_at(name + "/rounds"), _changed_at(name + "/attempts")]
        if not any(stamp):
            return Files(stamp)
        latest = time.time_ns() - SETTLED_NS
        # An attempt's own file changes without its folder changing (its end is written over its beginning), so while it
        # has not ended it is read every time.
        if known and known["stamp"] == stamp and "ended" in known["last"] and max(stamp) < latest:
            return Files(**known)
        done = bool(result) and is_done(self._sweep.root, run.id)
        files = steadily(self._sweep.root, run.id, lambda files: _read(files, run, stamp, done=done))
        if self.mirroring and files.result == "valid":
            files.mirrored = mirrored(folder)
        if files.result == "valid" and self._timed < TIMED_RUNS:
            files.seconds = _seconds(folder)
            self._timed += files.seconds is not None
        if files.rounds and not files.result and not self._timed and self._paced < PACED_RUNS:
            self._paced += 1
            seconds = _seconds(folder)
            files.pace = seconds / files.rounds if seconds is not None else None
        self._known[run.id] = vars(files)
        self._changed = True
        return files

    def write(self) -> None:
        if self._changed:
            with contextlib.suppress(OSError):
                replace(self._path, json.dumps(self._known).encode())


def _read(folder: Readable, run: SweepRun, stamp: list[int], *, done: bool) -> Files:
    files = Files(stamp)
    rounds, attempts = numbered(folder / "rounds"), numbered(folder / "attempts")
    files.rounds, files.attempts = len(rounds), len(attempts)
    if attempts:
        with contextlib.suppress(OSError):
            files.last = read_attempt(folder / "attempts", max(attempts))
    if done:
        files.result = _validity(folder, run, rounds)
    return files


def _seconds(folder: Readable) -> float | None:
    """What the rounds of a run took together."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        costs = [json.loads(path.read_bytes()) for path in numbered(folder / "costs").values()]
        parts = ("select_seconds", "train_seconds", "evaluate_seconds")  # old runs do not know the last
        return sum(cost.get(part) or 0 for cost in costs for part in parts)
    return None


def _validity(folder: Readable, run: SweepRun, rounds: Mapping[int, Readable]) -> str:
    """ "valid", or what contradicts what. Cheap: the whole chain of rounds is checked by `collect`."""
    try:
        result = json.loads((folder / RESULT).read_bytes())
        if result["run"] != run.id:
            return f"result.json belongs to run {result['run']}"
        if not result["rounds"] == len(rounds) == run.rounds:
            return f"result.json has {result['rounds']} rounds, {len(rounds)} are there, {run.rounds} were asked for"
        last = rounds[max(rounds)]
        if hashlib.sha256(last.read_bytes()).hexdigest() != result["head"]:
            return f"rounds/{last.name} is not the one that result.json was made from"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"result.json cannot be read: {error!r}"
    return "valid"


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
