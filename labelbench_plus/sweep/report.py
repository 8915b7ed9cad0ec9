"""What people are shown of a sweep: a live table, failures by cause, lines for pipes, JSON for programs."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labelbench_plus.launch.failures import group
from labelbench_plus.sweep.folder import Sweep
from labelbench_plus.sweep.state import RunStatus, State, SweepStatus

COLOURS = {
    State.DONE: "green",
    State.INVALID: "bold red",
    State.RUNNING: "cyan",
    State.REQUEUED: "yellow",
    State.PENDING: "blue",
    State.CANCELLED: "bright_black",
    State.FAILED: "red",
    State.UNKNOWN: "magenta",
    State.LOST: "bold yellow",
    State.NEW: "white",
}
OPEN = (State.RUNNING, State.REQUEUED, State.PENDING)
SIGNS = ((State.RUNNING, "▶"), (State.REQUEUED, "↻"), (State.FAILED, "✗"), (State.INVALID, "!"), (State.LOST, "?"))
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
        Console().print(_rich(found, rows))
        return
    print(_headline(found))
    table = _cells(found, rows)
    for row, cells in table.items():
        for column, members in cells.items():
            counts = Counter(each.state for each in members)
            told = " ".join(f"{state.lower()}={counts[state]}" for state in State if counts[state])
            print(f"{row}  {column}  {counts[State.DONE]}/{len(members)}  {told}")


def print_runs(found: SweepStatus) -> None:
    """Print one line for each run."""
    print(_headline(found))
    for each in found.runs:
        where = f"{each.files.rounds}/{each.run.rounds} rounds, {each.files.attempts} attempts"
        print("  ".join(filter(None, [each.run.id, each.state, each.run.title, where, each.node, each.note])))


def print_failures(found: SweepStatus, sweep: Sweep, *, full: bool) -> None:
    """Print what went wrong, runs that failed alike as one: `full` names all their ids and the log's last lines."""
    failed = found.of(State.FAILED)
    groups = group((each.run.id, {**each.files.last, "detail": each.note}) for each in failed)
    for cause in groups if full else groups[:MOST_GROUPS]:
        where = f" in {cause.where}" if cause.where else ""
        print(f"{len(cause.runs)} of {len(found.runs)} failed{where}: {cause.what.splitlines()[0]}")
        example = next(each for each in failed if each.run.id == cause.runs[0])
        log = sweep.root / "runs" / cause.runs[0] / "attempts" / f"{example.files.last.get('number', 1):04d}.log"
        print(f"  e.g. {cause.runs[0]} ({example.run.title}), after {example.files.rounds} rounds; log: {log}")
        if cause.suggestion:
            print(f"  suggestion: {cause.suggestion}")
        elif cause.kind == "infra":
            print("  suggestion: the machine's fault rather than the run's; resume tries again")
        if full:
            print("  runs: " + " ".join(cause.runs))
            if log.is_file():
                for line in log.read_text(errors="replace").splitlines()[-20:]:
                    print(f"  | {line}")
    if not full and len(groups) > MOST_GROUPS:
        print(f"... and {len(groups) - MOST_GROUPS} more causes: status --failed")
    if found.unmirrored:
        print(f"{found.unmirrored} finished runs are not mirrored to W&B; send them: lbp wandb push {found.name}")
    for each in found.of(State.INVALID):
        print(f"INVALID: {each.run.id} ({each.run.title}): {each.note}")
    lost = found.of(State.LOST)
    for why, number in Counter(each.note for each in lost).most_common(MOST_GROUPS):
        print(f"{number} lost: {why}")
    if lost:
        print(
            f"  goes on with: lbp sweep resume {found.name}; without a trace usually means out of memory or a dead node"
        )


def watch_status(look: Callable[[], SweepStatus], rows: Sequence[str], seconds: int) -> SweepStatus:
    """Show the table until nothing is to be waited for any more. Returns the last state."""
    if not sys.stdout.isatty():
        while True:
            found = look()
            print(_headline(found), flush=True)
            if not found.count(*OPEN, State.UNKNOWN):
                return found
            time.sleep(seconds)
    with Live(console=Console(), auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            found = look()
            live.update(_rich(found, rows), refresh=True)
            if not found.count(*OPEN, State.UNKNOWN):
                return found
            time.sleep(seconds)


def _headline(found: SweepStatus) -> str:
    parts = [f"{found.count(State.DONE)}/{len(found.runs)} done"]
    parts += [f"{found.count(state)} {state.lower()}" for state in State if state != State.DONE and found.count(state)]
    if eta := _eta(found):
        parts.append(f"≈ {_span(eta)} left")
    parts += [f"{name}: {words}" for name, words in found.scheduler.items()]
    return f"{found.name}: " + ", ".join(parts)


def _rich(found: SweepStatus, rows: Sequence[str]) -> Group:
    total = max(1, len(found.runs))
    bar, width = Text(), 60
    for state in State:
        bar.append("█" * round(width * found.count(state) / total), COLOURS[state])
    legend = Text()
    for state in State:
        if found.count(state):
            legend.append(f"{found.count(state)} {state.lower()}  ", COLOURS[state])
    cells = _cells(found, rows)
    columns = sorted({column for row in cells.values() for column in row})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(rows[0])
    for column in columns:
        table.add_column(column, justify="right")
    for row, by_column in cells.items():
        table.add_row(row, *[_cell(by_column.get(column, [])) for column in columns])
    scheduler = ", ".join(f"{name}: {words}" for name, words in found.scheduler.items())
    eta = _eta(found)
    words = "  ".join(filter(None, [scheduler, f"≈ {_span(eta)} left" if eta else "", time.strftime("%T")]))
    title = Text(f"{found.name}  {found.count(State.DONE)}/{len(found.runs)} done  ", "bold").append(words, "dim")
    return Group(title, bar, legend, table)


def _cell(members: Sequence[RunStatus]) -> Text:
    counts = Counter(each.state for each in members)
    text = Text()
    for state, sign in SIGNS:
        if counts[state]:
            text.append(f"{sign}{counts[state]} ", COLOURS[state])
    whole = members and counts[State.DONE] == len(members)
    return text.append(f"{counts[State.DONE]}/{len(members)}" if members else "", "green" if whole else "")


def _cells(found: SweepStatus, rows: Sequence[str]) -> dict[str, dict[str, list[RunStatus]]]:
    table: defaultdict[str, defaultdict[str, list[RunStatus]]] = defaultdict(lambda: defaultdict(list))
    for each in found.runs:
        row = str(getattr(each.run, rows[0]))
        table[row][str(getattr(each.run, rows[1])) if len(rows) > 1 else "runs"].append(each)
    return {row: dict(cells) for row, cells in table.items()}


def _eta(found: SweepStatus) -> float | None:
    """Seconds until the submitted runs are done at today's pace: a guess, as queues are not predictable."""
    known = [each.files.seconds / each.run.rounds for each in found.runs if each.files.seconds is not None]
    running = found.count(State.RUNNING)
    if not known or not running:
        return None
    left = sum(each.run.rounds - each.files.rounds for each in found.of(*OPEN))
    return left * statistics.median(known) / running


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
