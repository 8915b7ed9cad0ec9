"""`lbp wandb`: what is done with W&B apart from running."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from labelbench_plus.commands.common import (
    DEFAULT_OUT,
    FAILED,
    HELD,
    INTERRUPTED,
    Group,
    Json,
    Overrides,
    Plugins,
    load_runs,
    stop,
)
from labelbench_plus.commands.sweep.common import Out, open_sweep
from labelbench_plus.shown import say

wandb = typer.Typer(cls=Group, help="Mirror runs to Weights & Biases after the fact.", no_args_is_help=True)


@wandb.callback()
def _group() -> None:
    """Keeps `push` a command of its own although it is the only one."""


@wandb.command()
def push(
    name: Annotated[str, typer.Argument(help="A sweep's name, or a suite file whose runs `lbp run` made")],
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Send finished runs to W&B from their files, for clusters without internet on the nodes.

    Sending again sends what is missing. Exit code 1 if a run could not be sent.

    Examples:
      lbp wandb push digits --out /shared/me/outputs
      lbp wandb push mine.yaml seeds=0..4 --plugin my_strategy.py
    """
    from rich.progress import Progress

    from labelbench_plus.store.lease import RunBusy
    from labelbench_plus.sweep.folder import Sweep, SweepRun
    from labelbench_plus.sweep.push import push as push_all

    if name.endswith((".yaml", ".yml")):
        suite, specs = load_runs(Path(name), overrides, plugin, out)
        where, runs = Sweep(out, suite.suite), [SweepRun.of(spec) for spec in specs]
    elif overrides or plugin:
        stop(f"{name}: a sweep knows its runs; overrides and --plugin go with a suite file")
    else:
        where = open_sweep(out, name)
        runs = where.runs()
    try:
        lease = where.hold("pushers")
    except RunBusy as error:
        stop(f"{where.name}: {error}", HELD)
    except OSError as error:
        stop(f"{where.folder}: cannot be written to: {error.strerror}")
    ended = "stopped"
    try:
        with Progress(disable=not sys.stdout.isatty() or as_json) as progress:
            bar = progress.add_task("runs sent", total=None)
            found = push_all(where, runs, lambda done, of: progress.update(bar, completed=done, total=of))
        ended = "finished"
    except KeyboardInterrupt:
        say("stopped; the same command resumes from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        lease.release(ended)
    if as_json:
        say(json.dumps(vars(found)))
    else:
        told = [(found.sent, "sent"), (found.before, "were there"), (found.unfinished, "not finished")]
        told += [(found.failed, "could not be sent"), (found.gave_up, "not tried any more")]
        say(f"{where.name}: " + ", ".join(f"{len(runs)} {words}" for runs, words in told if runs))
        if found.failed or found.gave_up:
            say("when W&B answers again, the same command sends the rest", file=sys.stderr)
    if found.failed or found.gave_up:
        raise typer.Exit(FAILED)
