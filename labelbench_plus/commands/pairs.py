"""The commands for choosing image-text pairs: `lbp pairs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from labelbench_plus.commands.common import DEFAULT_JOBS, FAILED, Group, Jobs, Plugins, load_plugins, stop
from labelbench_plus.shipped import by_name
from labelbench_plus.shown import say
from labelbench_plus.start_up import one_thread

if TYPE_CHECKING:
    from labelbench_plus.pairs.workspace import Workspace

pairs = typer.Typer(cls=Group, help="Choose image-text pairs from pools of any size.", no_args_is_help=True)

SelectionFile = Annotated[
    Path,
    typer.Argument(
        parser=lambda said: by_name("selections", said),
        metavar="SELECTION",
        help="A YAML file (pool, strategy, and fraction, count or at_least), or the name of a shipped one",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for selections")]
DEFAULT_OUT = Path("outputs/selections")


@pairs.command()
def select(
    selection: SelectionFile,
    out: Out = DEFAULT_OUT,
    jobs: Jobs = DEFAULT_JOBS,
    launcher: Annotated[
        str | None, typer.Option("--launcher", "-l", help="A SLURM profile to submit to, instead of processes here")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A launcher's setting=value; may be repeated")] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Rows read at a time")] = 8192,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where scores are computed")] = "cpu",
    plugin: Plugins = None,
) -> None:
    """Score a pool's shards, cut exactly, and write the selected uids in the format of DataComp's resharder.

    Finished work is not repeated: after an interruption, the same command resumes.

    Examples:
      lbp pairs select datacomp_small --jobs 8
      lbp pairs select mine.yaml -l slurm/gpu_cluster.yaml --set time=2h
    """
    if device == "cpu" and launcher is None:  # CUDA is of no use to a fork
        one_thread()
    from rich.progress import Progress

    from labelbench_plus.pairs.report import write_report
    from labelbench_plus.pairs.spec import SelectionError, load_selection
    from labelbench_plus.pairs.workspace import Workspace, plan
    from labelbench_plus.running.selection import WorkerError, select_here

    load_plugins(plugin)
    try:
        folder = plan(load_selection(selection), out, plugin or ())
    except SelectionError as error:
        stop(str(error))
    workspace = Workspace(folder, chunk=chunk, device=device)
    if launcher is not None:
        _submit(workspace, launcher, set_ or [], chunk)
        return
    try:
        # Refreshed by us: a thread that did it would keep workers from being forked.
        with Progress(disable=not sys.stderr.isatty(), auto_refresh=False) as progress:
            bar = progress.add_task("tasks")
            select_here(
                workspace,
                jobs,
                chunk=chunk,
                device=device,
                on_done=lambda done, total: progress.update(bar, completed=done, total=total, refresh=True),
            )
    except WorkerError as error:
        say(f"{error}\nfinished work is kept; the same command resumes from there", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    found = write_report(workspace)
    say(f"{found['kept']:,} of {found['rows']:,} pairs: {workspace.kept}\nreport: {folder / 'report.md'}")


@pairs.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A finished selection's folder")],
    beside: Annotated[list[Path] | None, typer.Option("--with", help="A uid file to compare with")] = None,
) -> None:
    """Describe a finished selection, compared with others.

    Examples:
      lbp pairs report outputs/selections/3fa1c2d4e5f60718 --with dfn.npy
      lbp pairs report outputs/selections/3fa1c2d4e5f60718
    """
    from labelbench_plus.pairs.report import write_report
    from labelbench_plus.pairs.workspace import Workspace

    workspace = Workspace(folder)
    if not workspace.kept.exists():
        stop(f"{folder}: is no finished selection (it has no {workspace.kept.name}): lbp pairs select makes one")
    try:
        write_report(workspace, beside or ())
    except (OSError, ValueError) as error:
        stop(str(error))
    say((folder / "report.md").read_text())


@pairs.command()
def combine(
    how: Annotated[Literal["union", "intersection", "difference"], typer.Argument(help="What to keep")],
    files: Annotated[list[Path], typer.Argument(help="Two or more uid files")],
    out: Annotated[Path, typer.Option("--out", help="The uid file to write")],
) -> None:
    """Combine uid files: keep uids that are in any, in all, or only in the first.

    Examples:
      lbp pairs combine union ours.npy dfn.npy --out both.npy
      lbp pairs combine intersection ours.npy dfn.npy --out both.npy
    """
    from functools import reduce

    from labelbench_plus.pairs import uids

    if len(files) < 2:
        stop("at least two uid files are needed")
    try:
        kept = reduce(getattr(uids, how), [uids.read_uids(path) for path in files])
    except (OSError, ValueError) as error:
        stop(str(error))
    count = uids.write_uids(out, lambda: [kept])
    say(f"{count:,} uids: {out}")


def _submit(workspace: Workspace, launcher: str, settings: list[str], chunk: int) -> None:
    from labelbench_plus.contracts.launchers import SchedulerError
    from labelbench_plus.sweep.profile import ProfileError, load_profile
    from labelbench_plus.sweep.selection import submit_selection

    try:
        profile = load_profile(launcher, {}, settings)
    except ProfileError as error:
        stop(str(error))
    if not profile.orders_jobs:
        why = "its jobs cannot wait for each other, as those of a selection must"
        stop(f"--launcher {launcher}: {why}; leave it out for processes of this machine")
    try:
        jobs = submit_selection(workspace, profile, chunk)
    except SchedulerError as error:
        stop(str(error))
    if not jobs:
        say(f"nothing is left to do: {workspace.kept}")
        return
    say(
        f"{len(jobs)} jobs, each after the one before: {', '.join(jobs)}\nuid file in the end: {workspace.kept}\n"
        f"then: lbp pairs report {workspace.folder}"
    )
