"""`lbp data`: whether the examples that a suite names can be read."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from labelbench_plus.commands.common import FAILED, Group, Json, Overrides, Plugins, SuiteArgument, read_suite, stop
from labelbench_plus.shown import counted, say

data = typer.Typer(cls=Group, help="Look at the data that a suite names.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Keeps `check` a command of its own although it is the only one."""


@data.command()
def check(suite: SuiteArgument, overrides: Overrides = None, plugin: Plugins = None, as_json: Json = False) -> None:
    """Read every example of a suite's data sets once, and list those that cannot be read. Exit code 1 if there are any.

    Models and their weights are not checked.

    Examples:
      lbp data check digits
      lbp data check mine.yaml --json
    """
    from rich.progress import Progress

    from labelbench_plus.contracts.datasets import Dataset
    from labelbench_plus.features.encoded import load
    from labelbench_plus.features.reading import read_all
    from labelbench_plus.plugins import label, with_parts

    loaded = read_suite(suite, overrides, plugin)
    named: dict[str, Any] = {
        label(part): part for problem in loaded.problems for part in with_parts(problem) if isinstance(part, Dataset)
    }
    told: dict[str, Any] = {}
    for name, each in named.items():
        with Progress(disable=not sys.stderr.isatty() or as_json, transient=True) as progress:
            bar = progress.add_task(f"{name}: examples read", total=None)
            try:
                found = read_all(load(each), lambda done, of, bar=bar: progress.update(bar, completed=done, total=of))  # type: ignore[misc]
            except ValueError as error:  # a table is refused as a whole, with the line
                stop(f"{name}: {error}", FAILED)
        told[name] = vars(found)
        if not as_json:
            say(f"{name}: {found.facts[0]}")
            for fact in found.facts[1:]:
                say(f"  {fact}")
            say(
                f"  {counted(len(found.faults), 'example')} cannot be used:"
                if found.faults
                else "  all of it can be read"
            )
            for fault in found.faults:
                say(f"    {fault}")
    if as_json:
        say(json.dumps(told, indent=1))
    elif not named:
        say(f"{loaded.suite}: its problems read no data set")
    if any(each["faults"] for each in told.values()):
        raise typer.Exit(FAILED)
