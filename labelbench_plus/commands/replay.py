"""`lbp replay`: another trainer on the labels that it bought, round by round."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import (
    DEFAULT_OUT,
    FAILED,
    INTERRUPTED,
    Device,
    KeepModels,
    Out,
    Plugins,
    WandbMode,
    built,
    check_models_can_be_kept,
    load_plugins,
    stop,
)
from labelbench_plus.shown import say
from labelbench_plus.start_up import one_thread

if TYPE_CHECKING:
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.suite import Isolation

ONLY_ORDER = "it was imported, and of such a run there is the curve, but neither the pool nor the answers to train on"


def replay(
    run: Annotated[str, typer.Argument(help="A run's id, its first characters, or its folder")],
    trainer: Annotated[str, typer.Option(help="A trainer, as in a suite, e.g. '{name: mlp, steps: 300}'")],
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    device: Device = "cpu",
    wandb: WandbMode = "disabled",
    keep_models: KeepModels = False,
) -> None:
    """Train another trainer on the labels that a run bought, round by round, as a separate run.

    It is the same run as in a suite with `proxy:`. An unfinished run is finished first. If interrupted, the same
    command resumes it.

    Examples:
      lbp replay 3fa1 --trainer '{name: mlp, steps: 300}'
      lbp replay 3fa1 --trainer logistic_regression --out /shared/me/outputs
    """
    if device == "cpu":
        one_thread()
    from labelbench_plus.leaderboard.series import without_points
    from labelbench_plus.running.job import Mirror, Where, local_jobs
    from labelbench_plus.running.local import run_local
    from labelbench_plus.running.progress import Progress
    from labelbench_plus.store.run_store import RunStore

    chosen, root, isolate = _spec_of(run, out, plugin or [])
    spec = replace(
        chosen,
        trainer=built("trainers", "--trainer", trainer, "{name: mlp, steps: 300}"),
        proxy=chosen.proxy or chosen.trainer,
    )
    _check(spec)
    if keep_models:
        check_models_can_be_kept([spec])
    say(f"run {spec.id}: {spec.trainer_label}; labels of run {spec.selection.id}")
    where, mirror = Where.here(root, device, plugin or ()), Mirror("replays", wandb)
    work = local_jobs([spec], where, 1, mirror, isolate=isolate, keep_models=keep_models)
    progress = Progress(len(work), len(spec.amounts))
    try:
        with progress:
            run_local(work, 1, progress.event, on_ready=progress.show, said=progress.said)
    except KeyboardInterrupt:
        say("\nstopped; every committed round is kept. The same command resumes from here.")
        raise typer.Exit(INTERRUPTED) from None
    progress.report()
    store = RunStore(root, spec.id)
    if not store.done:
        raise typer.Exit(FAILED)
    last = store.rounds()[-1]
    scores = ", ".join(f"{name} {last.scores[name]:.4f}" for name in without_points(last.scores))
    say(f"after {last.spent:g} {spec.problem.unit}: {scores}")
    say(f"all of it: lbp show {spec.id} --out {root}")


def _spec_of(run: str, out: Path, plugin: list[Path]) -> tuple[RunSpec, Path, Isolation | None]:
    """The spec of the run that is meant, the output directory it lies in, and how its strategies were isolated.

    Where they were, plugin files are not loaded here, and what is left of the run is isolated too.
    """
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

    from labelbench_plus.isolation.cell import Cell
    from labelbench_plus.plugins import PluginError
    from labelbench_plus.running.job import Where
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.layout import find_run, run_files
    from labelbench_plus.suite import Isolation

    try:
        folder = find_run(out, run)
    except LookupError as error:
        stop(f"run {run!r}: {ONLY_ORDER}" if _imported(run, out) else str(error.args[0]))
    try:
        files = run_files(folder.parent.parent, folder.name)
        said = json.loads((files / "manifest.json").read_bytes()).get("isolation")
        isolate = Isolation(kind=said["asked"]) if said is not None else None
        load_plugins(plugin if isolate is None else ())
        with Cell(plugin, Where.here(out).hidden, isolate) as cell:
            record = json.loads((files / "config.json").read_bytes())
            spec = RunSpec.from_json(record, None if isolate is None else cell)
        found = spec.id
    except (OSError, ValueError, KeyError, TypeError, PluginError, ValidationError, PydanticCustomError) as error:
        stop(f"{folder / 'config.json'}: the run cannot be built here: {error}")
    if found != folder.name:
        stop(f"{folder}: with the code and data of now it would be run {found}: its labels cannot be bought again")
    return spec, folder.parent.parent, isolate


def _imported(run: str, out: Path) -> bool:
    """Whether an imported run is meant: a pickle of LabelBench's, or the id of a run in a folder of results."""
    if Path(run).suffix == ".pkl" or (Path(run) / "board.json").is_file():
        return True
    for archive in sorted((out / "imported").glob("*/runs.jsonl.gz")):
        try:
            with gzip.open(archive, "rb") as lines:
                if any(json.loads(line)["run"].startswith(run) for line in lines):
                    return True
        except (OSError, EOFError, zlib.error) as error:
            stop(f"{archive} is damaged or cut short: {error}; import it again")
    return False


def _check(spec: RunSpec) -> None:
    from labelbench_plus.spec import incompatibilities

    if spec.trainer == spec.proxy:
        stop(f"run {spec.selection.id} already has this trainer: there is nothing to retrain")
    if reasons := incompatibilities(spec):
        stop("\n".join(reasons))
