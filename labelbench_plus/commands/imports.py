"""`lbp import`: results that were computed elsewhere, for the leaderboard."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import FAILED, Group, Json, stop
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.importers.imported import Reading
    from labelbench_plus.leaderboard.results import Results

imports = typer.Typer(
    cls=Group, help="Bring results that were computed elsewhere onto the leaderboard.", no_args_is_help=True
)

To = Annotated[Path, typer.Option("--to", help="The folder of results to write")]
Metric = Annotated[str, typer.Option(help="The score that ranks")]


@imports.command()
def labelbench(
    folder: Annotated[Path, typer.Argument(help="LabelBench's results/, or a checkout of it")],
    to: To = Path("outputs/imported/labelbench"),
    metric: Metric = "test_accuracy",
    as_json: Json = False,
) -> None:
    """Import LabelBench's result files, and say which of its runs are defective and why.

    Nothing in the files is executed. Exit code 1 if a file could not be read; the others are imported.

    Examples:
      lbp import labelbench ../LabelBench/results && lbp leaderboard build outputs/imported/labelbench --to site
      lbp import labelbench ../LabelBench/results --to outputs/imported/theirs
    """
    from rich.progress import Progress

    from labelbench_plus.importers.imported import ImportRefused
    from labelbench_plus.importers.labelbench import labelbench_results, read_labelbench

    try:
        with Progress(disable=not sys.stdout.isatty() or as_json) as progress:
            bar = progress.add_task("files read", total=None)
            found = read_labelbench(folder, lambda done, of: progress.update(bar, completed=done, total=of))
    except ImportRefused as error:
        stop(str(error))
    _write(lambda: labelbench_results(found.runs, metric), found, to, as_json)


@imports.command()
def wandb(
    project: Annotated[str, typer.Argument(help="ENTITY/PROJECT")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder to write; default: outputs/imported/PROJECT")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The score that ranks; default: the problem's own")] = None,
    as_json: Json = False,
) -> None:
    """Import a W&B project: LabelBench's runs, or mirrors of ours. W&B is read, never written to.

    Importing again replaces the folder; if nothing changed on W&B, with the same bytes. Exit code 1 if a run could not
    be read.

    Examples:
      lbp import wandb me/labelbench-plus --to outputs/imported/mine
      lbp import wandb me/labelbench-plus --to outputs/imported/mine --json
    """
    from rich.progress import Progress

    from labelbench_plus.importers.imported import ImportRefused
    from labelbench_plus.importers.wandb import connect, read_wandb, wandb_results

    try:
        with Progress(disable=not sys.stdout.isatty() or as_json) as progress:
            bar = progress.add_task("runs read", total=None)
            found = read_wandb(connect(), project, lambda done: progress.update(bar, completed=done))
    except ImportRefused as error:
        stop(str(error))
    folder = to or Path("outputs/imported") / project.rpartition("/")[2]
    _write(lambda: wandb_results(found.runs, project, metric), found, folder, as_json)


@imports.command("labelbench-config")
def labelbench_config(
    checkout: Annotated[Path, typer.Argument(help="A checkout of LabelBench, for its configs/")],
    command: Annotated[list[str], typer.Argument(help="A command line of main.py, point_evaluation.py or a launcher")],
    to: Annotated[Path | None, typer.Option("--to", help="The suite file to write; default: print it")] = None,
) -> None:
    """Turn one of LabelBench's command lines, with the JSON files it names, into a suite.

    Comments in it explain the decisions where the two programs differ. What cannot be converted is rejected with the
    reason.

    Examples:
      lbp import labelbench-config ../LabelBench --to cifar10.yaml -- mp_launcher.py --dataset cifar10
        --metric multi_class --batch_size 1000 --num_batch 10 --embed_model_config clip_ViTB32.json
        --classifier_model_config linear.json --strategies random_sampling.json margin_sampling.json
        --trainer_config cifar10/flexmatch/clip_ViTB32_linear.json
      lbp import labelbench-config ../LabelBench -- main.py --dataset cifar10 --metric multi_class --seed 0
        --batch_size 1000 --num_batch 10 --embed_model_config clip_ViTB32.json
        --classifier_model_config linear.json --strategy_config margin_sampling.json
        --trainer_config cifar10/flexmatch/clip_ViTB32_linear.json
    """
    from labelbench_plus.importers.imported import ImportRefused
    from labelbench_plus.importers.labelbench_config import suite_of
    from labelbench_plus.store.atomic import replace

    try:
        text = suite_of(checkout, command)
    except ImportRefused as error:
        stop(str(error))
    if to is None:
        say(text, end="")
        return
    try:
        replace(to, text.encode())
    except OSError as error:
        stop(f"{to}: cannot be written to: {error.strerror}")
    say(f"suite: {to}")
    say(f"run it: lbp run {to}")


def _write(make: Callable[[], Results], found: Reading, to: Path, as_json: bool) -> None:
    """Write the folder and tell what is in it. Ends with 1 if something was refused."""
    from labelbench_plus.importers.imported import ImportRefused, write_import

    for line in found.refused:
        say(f"not imported: {line}", file=sys.stderr)

    try:
        results = make()
        write_import(results, to, found.licence)
    except ImportRefused as error:
        stop(str(error))
    except OSError as error:
        stop(f"{to}: cannot be written to: {error.strerror}")
    manifests = {run: results.records[run]["manifest"] for run in sorted(results.meta.defects)}
    if as_json:
        told = {
            "folder": str(to),
            "runs": len(results.records),
            "defective": {manifest["from"]: manifest["defects"] for manifest in manifests.values()},
            "refused": list(found.refused),
        }
        say(json.dumps(told, indent=1))
    else:
        for manifest in manifests.values():
            say(f"defective: {manifest['from']}: {'; '.join(manifest['defects'])}")
        say(f"{len(results.records)} runs imported to {to}, {len(manifests)} of them defective and off the board")
        say(f"pages: lbp leaderboard build {to} --to FOLDER")
    if found.refused:
        raise typer.Exit(FAILED)
