"""What people see of a sweep: a live table, failures by cause, lines for pipes, JSON for programs."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from labelbench_plus.running.failures import FailureGroup, group
from labelbench_plus.running.waiting import in_words
from labelbench_plus.shown import say
from labelbench_plus.store.numbered import file_name
from labelbench_plus.sweep.folder import Sweep
from labelbench_plus.sweep.matrix import cells_of, matrix
from labelbench_plus.sweep.state import State, SweepStatus

OPEN = (State.RUNNING, State.REQUEUED, State.PENDING)
MOST_GROUPS = 5


def as_plain(found: SweepStatus) -> dict[str, Any]:
    """A sweep's state as plain values."""
    runs = [
        {
            "run": each.run.id,
            "problem": each.run.problem,
            "trainer": each.run.trainer,
            "strategy": each.run.strategy,
            "seed": each.run.seed,
            "state": each.state.value,
            "rounds": each.files.rounds,
            "of_rounds": each.run.rounds,
            "attempts": each.files.attempts,
            "restarts": each.files.last.get("restart", 0),
            "node": each.node,
            "note": each.note,
        }
        for each in found.runs
    ]
    counts = {state.value: found.count(state) for state in State if found.count(state)}
    return {
        "sweep": found.name,
        "scheduler": found.scheduler,
        "counts": counts,
        "eta": _eta(found),
        "unmirrored": found.unmirrored,
        "runs": runs,
    }


def print_status(found: SweepStatus, rows: Sequence[str]) -> None:
    """Print the table: for a terminal if it is one, plain lines otherwise."""
    if sys.stdout.isatty():
        Console().print(_matrix(found, rows))
        return
    say(_headline(found))
    table = cells_of(found, rows)
    for row, cells in table.items():
        for column, members in cells.items():
            counts = Counter(each.state for each in members)
            told = " ".join(f"{state.lower()}={counts[state]}" for state in State if counts[state])
            say(f"{row}  {column}  {counts[State.DONE]}/{len(members)}  {told}")


def print_runs(found: SweepStatus) -> None:
    """Print one line for each run."""
    say(_headline(found))
    for each in found.runs:
        where = f"{each.files.rounds}/{each.run.rounds} rounds, {each.files.attempts} attempts"
        if restarts := each.files.last.get("restart", 0):
            where += f", its job restarted {restarts} times"
        say("  ".join(filter(None, [each.run.id, each.state, each.run.title, where, each.node, each.note])))


def print_failures(found: SweepStatus, sweep: Sweep, *, full: bool) -> None:
    """Print what failed, grouped by cause: `full` names all ids and the last lines of the log."""
    failed, groups = found.of(State.FAILED), _causes(found)
    for cause in groups if full else groups[:MOST_GROUPS]:
        where = f" in {cause.where}" if cause.where else ""
        say(f"{len(cause.runs)} of {len(found.runs)} failed{where}: {cause.what.splitlines()[0]}")
        example = next(each for each in failed if each.run.id == cause.runs[0])
        log = sweep.root / "runs" / cause.runs[0] / "attempts" / file_name(example.files.last.get("number", 1), ".log")
        say(f"  e.g. {cause.runs[0]} ({example.run.title}), after {example.files.rounds} rounds; log: {log}")
        if cause.suggestion:
            say(f"  suggestion: {cause.suggestion}")
        elif cause.kind == "infra":
            say("  suggestion: the machine's fault rather than the run's; resume tries again")
        if full:
            nodes = sorted({each.node for each in failed if each.run.id in set(cause.runs) and each.node})
            say(f"  kind: {cause.kind}" + (f"; on {', '.join(nodes)}" if nodes else ""))
            say("  runs: " + " ".join(cause.runs))
            if log.is_file():
                for line in log.read_text(errors="replace").splitlines()[-20:]:
                    say(f"  | {line}")
    if not full and len(groups) > MOST_GROUPS:
        say(f"... and {len(groups) - MOST_GROUPS} more causes: status --failed")
    if found.unmirrored:
        say(f"{found.unmirrored} finished runs are not mirrored to W&B; send them: lbp wandb push {found.name}")
    waiting = found.of(State.WAITING)
    for words, limit in in_words((each.note, each.files.last) for each in waiting)[:MOST_GROUPS]:
        say(words)
        say(f"  {_goes_on(found.name, limit)}")
    for each in found.of(State.INVALID):
        say(f"INVALID: {each.run.id} ({each.run.title}): {each.note}")
    lost = found.of(State.LOST)
    for why, number in Counter(each.note for each in lost).most_common(MOST_GROUPS):
        say(f"{number} lost: {why}")
    if lost:
        say(f"  resume with: lbp sweep resume {found.name}; without a trace usually means out of memory or a dead node")


def _goes_on(name: str, limit: str) -> str:
    """How runs that wait go on: for money, if a limit is reached."""
    if not limit:
        return f"when they are there: lbp sweep resume {name}"
    if limit == "--pay":
        return f"with so much more to pay: lbp sweep resume {name} --pay MAX"
    return f"with {limit} raised in the suite: lbp sweep submit SUITE --pay MAX"


def watch_status(look: Callable[[], SweepStatus], rows: Sequence[str], seconds: int) -> SweepStatus:
    """Show the table until there is nothing left to wait for. Returns the last state."""
    if not sys.stdout.isatty():
        while True:
            found = look()
            say(_headline(found), flush=True)
            if not found.count(*OPEN, State.UNKNOWN):
                return found
            time.sleep(seconds)
    with Live(console=Console(), auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            found = look()
            live.update(_matrix(found, rows, f"every {seconds} s, Ctrl-C leaves"), refresh=True)
            if not found.count(*OPEN, State.UNKNOWN):
                return found
            time.sleep(seconds)


def _causes(found: SweepStatus) -> list[FailureGroup]:
    return group((each.run.id, {**each.files.last, "detail": each.note}) for each in found.of(State.FAILED))


def _matrix(found: SweepStatus, rows: Sequence[str], again: str = "") -> Group:
    eta = _eta(found)
    left = ", ".join(filter(None, [_rounds(found), f"≈ {_span(eta)} left" if eta else ""]))
    return matrix(found, rows, left, _causes(found), again)


def _rounds(found: SweepStatus) -> str:
    """How many rounds are committed, of all."""
    return f"{sum(each.files.rounds for each in found.runs):,}/{sum(each.run.rounds for each in found.runs):,} rounds"


def _headline(found: SweepStatus) -> str:
    parts = [f"{found.count(State.DONE)}/{len(found.runs)} done", _rounds(found)]
    parts += [f"{found.count(state)} {state.lower()}" for state in State if state != State.DONE and found.count(state)]
    if eta := _eta(found):
        parts.append(f"≈ {_span(eta)} left")
    parts += [f"{name}: {words}" for name, words in found.scheduler.items()]
    return f"{found.name}: " + ", ".join(parts)


def _eta(found: SweepStatus) -> float | None:
    """Seconds until the submitted runs are done at today's pace: a guess, as queues are not predictable.

    Before any run is done, the pace is that of some that are being computed.
    """
    known = [each.files.seconds / each.run.rounds for each in found.runs if each.files.seconds is not None]
    if not known:
        known = [each.files.pace for each in found.of(State.RUNNING) if each.files.pace is not None]
    running = found.count(State.RUNNING)
    if not known or not running:
        return None
    left = sum(each.run.rounds - each.files.rounds for each in found.of(*OPEN))
    return left * statistics.median(known) / running


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
