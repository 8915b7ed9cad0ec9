"""`lbp wandb`: what is done with W&B apart from running."""

from __future__ import annotations

import json
import sys

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, FAILED, HELD, INTERRUPTED, Json, stop
from labelbench_plus.commands.sweep.common import Name, Out, open_sweep
from labelbench_plus.shown import say

wandb = typer.Typer(help="Mirror runs to Weights & Biases after the fact.", no_args_is_help=True)


@wandb.callback()
def _group() -> None:
    """Keeps `push` a command of its own although it is the only one."""


@wandb.command()
def push(name: Name, out: Out = DEFAULT_OUT, as_json: Json = False) -> None:
    """Send a sweep's finished runs to W&B, from their files: for clusters whose nodes have no internet.

    Sending again sends what is missing. Exit code 1 if a run could not be sent.

    Example: lbp wandb push digits --out /shared/me/outputs
    """
    from rich.progress import Progress

    from labelbench_plus.store.lease import RunBusy
    from labelbench_plus.sweep.push import push as push_all

    where = open_sweep(out, name)
    try:
        lease = where.hold("pushers")
    except RunBusy as error:
        stop(f"sweep {name}: {error}", HELD)
    ended = "stopped"
    try:
        with Progress(disable=not sys.stdout.isatty() or as_json) as progress:
            bar = progress.add_task("runs sent", total=None)
            found = push_all(where, lambda done, of: progress.update(bar, completed=done, total=of))
        ended = "finished"
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        lease.release(ended)
    if as_json:
        say(json.dumps(vars(found)))
    else:
        told = [(found.sent, "sent"), (found.before, "were there"), (found.unfinished, "not finished")]
        told += [(found.failed, "could not be sent"), (found.gave_up, "not tried any more")]
        say(f"{name}: " + ", ".join(f"{len(runs)} {words}" for runs, words in told if runs))
        if found.failed or found.gave_up:
            say("when W&B answers again, the same command sends the rest", file=sys.stderr)
    if found.failed or found.gave_up:
        raise typer.Exit(FAILED)
