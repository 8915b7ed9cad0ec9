"""`lbp pack`: finished runs as few files; `lbp unpack`: as folders again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, HELD, Out, Overrides, Plugins, load_runs, stop
from labelbench_plus.shipped import by_name
from labelbench_plus.shown import counted, say, sized

if TYPE_CHECKING:
    from labelbench_plus.store.packing import Moved

Some = Annotated[
    Path | None,
    typer.Argument(parser=lambda said: by_name("suites", said), metavar="SUITE", help="Only runs of this suite"),
]


def pack(suite: Some = None, overrides: Overrides = None, out: Out = DEFAULT_OUT, plugin: Plugins = None) -> None:
    """Put finished runs into one zip file, OUT/packed/0001.zip and so on, in place of a dozen files a run.

    Every command reads them there as before. Runs stay folders that are not finished, are held by a process, contradict
    themselves, or hold more than the run: a model, what W&B keeps. If interrupted, the same command finishes the job.

    Examples:
      lbp pack digits
      lbp pack --out /shared/me/outputs
    """
    from labelbench_plus.store.layout import runs_named
    from labelbench_plus.store.packing import pack as move

    runs = _runs_of(suite, overrides, out, plugin)
    moved = _carried_out(lambda: move(out, runs_named(out) if runs is None else runs), out)
    size = f"{sized(moved.bytes)} in {counted(moved.files, 'file')}"
    say(f"{counted(moved.runs, 'run')} packed below {out / 'packed'}; as folders they were {size}")
    for why, left in sorted(moved.left.items()):
        say(f"{counted(len(left), 'run')} left as folders: {why} (first: {left[0]})")


def unpack(suite: Some = None, overrides: Overrides = None, out: Out = DEFAULT_OUT, plugin: Plugins = None) -> None:
    """Give packed runs their folders back, with the same files, byte for byte.

    Examples:
      lbp unpack digits
      lbp unpack --out /shared/me/outputs
    """
    from labelbench_plus.store.packing import unpack as move

    runs = _runs_of(suite, overrides, out, plugin)
    moved = _carried_out(lambda: move(out, runs), out)
    say(f"{counted(moved.runs, 'run')} unpacked to {out / 'runs'}: {counted(moved.files, 'file')}")


def _runs_of(suite: Path | None, overrides: list[str] | None, out: Path, plugin: list[Path] | None) -> set[str] | None:
    """The ids of a suite's runs, and of those that choose their labels; None for all runs, which needs no plugin."""
    if suite is None:
        return None
    _, runs = load_runs(suite, overrides, plugin, out)
    return {spec.id for spec in runs} | {spec.selection.id for spec in runs if spec.proxy is not None}


def _carried_out(move: Callable[[], Moved], out: Path) -> Moved:
    from labelbench_plus.store.lease import RunBusy
    from labelbench_plus.store.run_store import StoreError

    try:
        return move()
    except RunBusy as error:
        stop(f"{out}: {error}", HELD)
    except StoreError as error:
        stop(str(error))
