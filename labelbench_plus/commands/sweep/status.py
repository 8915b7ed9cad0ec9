"""`lbp sweep status`: what has become of every run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, FAILED, INTERRUPTED, Json, stop
from labelbench_plus.commands.sweep.common import KEYS, Out, open_sweep
from labelbench_plus.shown import say


def status(
    name: Annotated[str | None, typer.Argument(help="A sweep's name; default: all sweeps")] = None,
    out: Out = DEFAULT_OUT,
    failed: Annotated[bool, typer.Option("--failed", help="Only failed runs, in full")] = False,
    runs: Annotated[bool, typer.Option("--runs", help="One line for each run")] = False,
    group_by: Annotated[str, typer.Option(help="Rows and columns of the table")] = "strategy,problem",
    watch: Annotated[
        int | None, typer.Option(min=1, help="Repeat every this many seconds until the sweep ends")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask the scheduler even if it was asked just now")] = False,
    as_json: Json = False,
) -> None:
    """Report the state of every run. Exit code 1 if one failed.

    Examples:
      lbp sweep status digits --watch 60
      lbp sweep status digits --failed
    """
    from labelbench_plus.sweep.folder import SweepError
    from labelbench_plus.sweep.report import as_plain, print_failures, print_runs, print_status, watch_status
    from labelbench_plus.sweep.state import State, look

    names = [name] if name else sorted(path.parent.name for path in (out / "sweeps").glob("*/sweep.json"))
    if not names:
        stop(f"no sweep in {out}; submit one: lbp sweep submit SUITE.yaml")
    rows = tuple(part.strip() for part in group_by.split(","))
    if set(rows) - set(KEYS) or not 1 <= len(rows) <= 2:
        stop(f"--group-by {group_by}: one or two of {', '.join(KEYS)}")
    bad = False
    everything = []
    for each in names:
        where = open_sweep(out, each)
        if watch and not as_json:
            try:
                found = watch_status(lambda where=where: look(where, fresh=True), rows, watch)  # type: ignore[misc]
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None
        else:
            try:
                found = look(where, fresh=fresh)
            except SweepError as error:
                stop(str(error))
            if as_json:
                everything.append(as_plain(found))
            elif runs:
                print_runs(found)
            elif not failed:
                print_status(found, rows)
        if not as_json:
            print_failures(found, where, full=failed)
        bad = bad or found.count(State.FAILED, State.INVALID) > 0
    if as_json:
        say(json.dumps(everything[0] if name else everything))
    if bad:
        raise typer.Exit(FAILED)
