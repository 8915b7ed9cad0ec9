"""`lbp config`: what a suite resolves to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from labelbench_plus.commands.common import FAILED, Group, Overrides, Plugins, SuiteArgument, load_runs, stop
from labelbench_plus.shown import say

config = typer.Typer(cls=Group, help="Look at what a suite resolves to.", no_args_is_help=True)


@config.command()
def show(suite: SuiteArgument, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Print every run of a suite, fully resolved, as JSON.

    Examples:
      lbp config show digits seeds=0..0
      lbp config show mine.yaml --plugin my_strategy.py
    """
    _, runs = load_runs(suite, overrides, plugin)
    say(json.dumps([{"id": spec.id, **spec.as_json()} for spec in runs], indent=2))


@config.command("hash")
def ids(suite: SuiteArgument, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Print the id and description of every run of a suite.

    Examples:
      lbp config hash digits
      lbp config hash digits seeds=0..0 budget.rounds=2
    """
    _, runs = load_runs(suite, overrides, plugin)
    for spec in runs:
        say(f"{spec.id}  {spec}")


@config.command()
def diff(
    left: Annotated[Path, typer.Argument(help="A run's config.json, or a run id's folder")],
    right: Annotated[Path, typer.Argument(help="Another one")],
) -> None:
    """Print the fields in which two runs differ; exit 1 if any.

    Examples:
      lbp config diff outputs/runs/3fa1* outputs/runs/77c0*
      lbp config diff outputs/runs/3fa1* again/runs/3fa1*/config.json
    """
    sides = []
    for path in (left, right):
        file = path / "config.json" if path.is_dir() else path
        try:
            sides.append(_flat(json.loads(file.read_bytes())))
        except (OSError, ValueError) as error:
            stop(f"{file}: cannot be read as a run's config: {error}")
    differences = [key for key in {**sides[0], **sides[1]} if sides[0].get(key) != sides[1].get(key)]
    for key in differences:
        say(f"{key}: {json.dumps(sides[0].get(key))} | {json.dumps(sides[1].get(key))}")
    if differences:
        raise typer.Exit(FAILED)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: item for name, part in value.items() for key, item in _flat(part, f"{prefix}.{name}").items()}
    return {prefix.lstrip("."): value}
