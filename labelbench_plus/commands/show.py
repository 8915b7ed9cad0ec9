"""`lbp show`: one run, or what its evaluation said beyond scores."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Out, stop
from labelbench_plus.commands.plugins import KINDS, tell
from labelbench_plus.faults import did_you_mean
from labelbench_plus.shown import printable, say

if TYPE_CHECKING:
    import pandas as pd

    from labelbench_plus.store.run_store import RunStore

MOST_ROWS, WIDEST = 10, 40
NOTED = ("strategy.", "trainer.", "problem.", "annotator.", "evaluate_seconds")
"""Beginnings of the names of costs that are shown as they are noted."""


def show(
    run: Annotated[str, typer.Argument(help="A run's id, its first characters, or its folder; or a kind of plugin")],
    plugin: Annotated[
        str | None, typer.Argument(help="After a kind, a plugin's name, as in `lbp list KIND NAME`")
    ] = None,
    out: Out = DEFAULT_OUT,
    details: Annotated[
        bool, typer.Option("--details", help="Only show what the evaluation reported beyond scores")
    ] = False,
    number: Annotated[int, typer.Option("--round", help="With --details: of which round; -1 is the last")] = -1,
) -> None:
    """Show one run: what it is, what it bought, how it scored, what it cost, where it was computed.

    Examples:
      lbp show 3fa1 --details
      lbp show 3fa1 --round 2 --out /shared/me/outputs
    """
    if plugin is not None:
        tell(run, plugin) if run in KINDS else stop(f"unknown kind {run!r}{did_you_mean(run, KINDS)}")
        return
    from labelbench_plus.leaderboard.series import without_points
    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.lease import attempts
    from labelbench_plus.store.run_store import RunStore, StoreError

    try:
        folder = find_run(out, run)
    except LookupError as error:
        stop(str(error.args[0]))
    store = RunStore(folder.parent.parent, folder.name)
    if details:
        _show_details(store, number)
        return
    try:
        rounds, costs = store.rounds(), store.costs()
    except (StoreError, OSError) as error:
        stop(str(error))
    settings, manifest = _readable(store.config), _readable(store.manifest)
    state = "done" if store.done else "not done"
    say(f"run {store.id}: {state}, {len(rounds)} of {len(settings['amounts']) if settings else '?'} rounds")
    for field in ("problem", "trainer", "strategy", "initial", "seed"):
        say(f"  {field:<9} {json.dumps(settings.get(field))}")
    if "proxy" in settings:
        say(f"  {'proxy':<9} {json.dumps(settings['proxy'])}")
        if chosen := manifest.get("selection"):
            say(f"  labels chosen by run {chosen['run']}, which ends with {chosen['head']}")
    if beside := _beside(manifest):
        say(printable(f"  beside the budget: {beside}"))
    if store.model_folder.exists():
        say(f"  its last model: {store.model_folder}")
    for attempt in attempts(store.files / "attempts"):
        ended = attempt.get("ended", "not ended")
        detail = f": {attempt['detail']}" if attempt.get("detail") else ""
        say(printable(f"  attempt {attempt['number']} on {attempt['host']}, {ended}{detail}"))
    if rounds:
        names = without_points(rounds[0].scores)
        heads = [printable(head) for head in ("round", "bought", "spent", *names, "seconds")]
        say("  " + "  ".join(f"{head:>9}" for head in heads))
    for record, cost in zip(rounds, costs, strict=True):
        parts = [cost.get(f"{part}_seconds") or 0 for part in ("select", "train", "evaluate")]
        seconds = sum(parts) if cost else math.nan  # lost
        cells = [f"{record.number:>9}", f"{record.purchase.labels:>9}", f"{record.spent:>9g}"]
        cells += [f"{record.scores[name]:>{max(9, len(printable(name)))}.4f}" for name in names]
        notes = [
            f"{printable(name)}={value:.4g}"
            for name, value in cost.items()
            if name.startswith(NOTED) and value is not None
        ]
        say("  " + "  ".join([*cells, f"{seconds:>9.3f}", *notes]))


def _readable(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A part of a run that it can be shown without."""
    from labelbench_plus.store.run_store import StoreError

    try:
        return part()
    except StoreError as error:
        say(f"warning: {error}", file=sys.stderr)
        return {}


def _beside(manifest: Mapping[str, Any]) -> str:
    """What a run uses beside the budget, in words; nothing if it uses nothing."""
    lines = {"validation": manifest.get("validation_labels", 0), **manifest.get("beside", {})}
    return ", ".join(f"{count:,} {name}{' labels' * (name == 'validation')}" for name, count in lines.items() if count)


def _show_details(store: RunStore, number: int) -> None:
    from labelbench_plus.api import run_details
    from labelbench_plus.store.run_store import StoreError

    try:
        tables = run_details(store.id, store.folder.parent.parent, number)
    except (LookupError, StoreError, OSError) as error:
        stop(str(error))
    say(_beginnings(tables) or f"run {store.id}: its evaluation reported only scores")


def _beginnings(tables: Mapping[str, pd.DataFrame]) -> str:
    """The first rows of each table, and how long it is."""
    blocks = []
    for name, table in tables.items():
        text = table.head(MOST_ROWS).to_string(max_colwidth=WIDEST)
        lines = [f"{name}: {len(table):,} rows", *(f"  {line}" for line in text.splitlines())]
        if len(table) > MOST_ROWS:
            lines.append(f"  and {len(table) - MOST_ROWS:,} more: labelbench_plus.run_details has them all")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
