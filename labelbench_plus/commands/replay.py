"""`lbp show`: one run; `lbp replay`: another trainer on the labels that it bought, round by round."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from labelbench_plus.contracts.trainers import Trainer
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.run_store import RunStore

FAILED, USAGE, INTERRUPTED = 1, 2, 130
ONLY_ORDER = "it was imported, and of such a run there is the curve, but neither the pool nor the answers to train on"


def show(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or its folder")],
    out: Annotated[Path, typer.Option("--out", help="Where runs are kept")] = Path("outputs"),
    details: Annotated[bool, typer.Option("--details", help="Only what the evaluation said beyond scores")] = False,
    number: Annotated[int, typer.Option("--round", help="Of which round, with --details; -1 is the last")] = -1,
) -> None:
    """Show one run: what it is, what it bought, how it scored, what it cost, where it was computed.

    Example: lbp show 3fa1 --details
    """
    from labelbench_plus.leaderboard.series import without_points
    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.lease import attempts
    from labelbench_plus.store.run_store import RunStore, StoreError

    try:
        folder = find_run(out, run)
    except LookupError as error:
        _stop(str(error.args[0]))
    store = RunStore(folder.parent.parent, folder.name)
    if details:
        _show_details(store, number)
        return
    try:
        rounds, costs = store.rounds(), store.costs()
    except (StoreError, OSError) as error:
        _stop(str(error))
    settings = json.loads((store.folder / "config.json").read_bytes())
    state = "done" if store.done else "not done"
    print(f"run {store.id}: {state}, {len(rounds)} of {len(settings['amounts'])} rounds")
    for field in ("problem", "trainer", "strategy", "initial", "seed"):
        print(f"  {field:<9} {json.dumps(settings[field])}")
    if "proxy" in settings:
        print(f"  {'proxy':<9} {json.dumps(settings['proxy'])}")
        chosen = json.loads((store.folder / "manifest.json").read_bytes())["selection"]
        print(f"  labels chosen by run {chosen['run']}, which ends with {chosen['head']}")
    for number, attempt in enumerate(attempts(store.folder / "attempts"), start=1):
        ended = attempt.get("ended", "not ended")
        detail = f": {attempt['detail']}" if attempt.get("detail") else ""
        print(f"  attempt {number} on {attempt['host']}, {ended}{detail}")
    if rounds:
        names = without_points(rounds[0].scores)
        print(
            "  " + "  ".join(f"{head:>{max(9, len(head))}}" for head in ["round", "bought", "spent", *names, "seconds"])
        )
    for record, cost in zip(rounds, costs, strict=True):
        seconds = sum(cost.get(f"{part}_seconds") or 0 for part in ("select", "train", "evaluate"))
        cells = [f"{record.number:>9}", f"{record.purchase.labels:>9}", f"{record.spent:>9g}"]
        cells += [f"{record.scores[name]:>{max(9, len(name))}.4f}" for name in names]
        notes = [
            f"{name}={value:.4g}"
            for name, value in cost.items()
            if name.startswith(("strategy.", "trainer.", "problem.", "evaluate_seconds")) and value is not None
        ]
        print("  " + "  ".join([*cells, f"{seconds:>9.3f}", *notes]))


def _show_details(store: RunStore, number: int) -> None:
    from labelbench_plus.api import run_details
    from labelbench_plus.commands.details import shown
    from labelbench_plus.store.run_store import StoreError

    try:
        tables = run_details(store.id, store.folder.parent.parent, number)
    except (LookupError, StoreError, OSError) as error:
        _stop(str(error))
    print(shown(tables) or f"run {store.id}: its evaluation said no more than its scores")


def replay(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or its folder")],
    trainer: Annotated[str, typer.Option(help="A trainer as suites name it, e.g. '{name: mlp, steps: 300}'")],
    out: Annotated[Path, typer.Option("--out", help="Where runs are kept")] = Path("outputs"),
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file that registers plugins")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where models are trained")] = "cpu",
    wandb: Annotated[Literal["disabled", "offline", "online"], typer.Option(help="Mirror the run to W&B")] = "disabled",
) -> None:
    """Train another trainer on the labels that a run bought, round by round, as a run of its own beside it.

    It is the run that a suite with `proxy:` makes. A run that is not done is carried out first. Killed and called
    again, it goes on from where it was.

    Example: lbp replay 3fa1 --trainer '{name: mlp, steps: 300}'
    """
    from labelbench_plus.leaderboard.series import without_points
    from labelbench_plus.plugins import PluginError, load_plugin_file
    from labelbench_plus.running.job import local_jobs
    from labelbench_plus.running.local import run_local
    from labelbench_plus.running.progress import Progress
    from labelbench_plus.store.run_store import RunStore

    try:
        for file in plugin or ():
            load_plugin_file(file)
    except PluginError as error:
        _stop(str(error))
    chosen, root = _spec_of(run, out)
    spec = replace(chosen, trainer=_built(trainer), proxy=chosen.proxy or chosen.trainer)
    _check(spec)
    print(f"run {spec.id}: {spec.trainer_label}; labels of run {spec.selection.id}")
    work = local_jobs("replays", [spec], root, 1, device=device, plugin_files=plugin or (), wandb=wandb)
    progress = Progress(len(work), len(spec.amounts))
    try:
        with progress:
            run_local(work, 1, progress.event)
    except KeyboardInterrupt:
        print("\nstopped; every committed round is kept. The same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    progress.report()
    store = RunStore(root, spec.id)
    if not store.done:
        raise typer.Exit(FAILED)
    last = store.rounds()[-1]
    scores = ", ".join(f"{name} {last.scores[name]:.4f}" for name in without_points(last.scores))
    print(f"after {last.spent:g} {spec.problem.unit}: {scores}")
    print(f"all of it: lbp show {spec.id} --out {root}")


def _spec_of(run: str, out: Path) -> tuple[RunSpec, Path]:
    """The spec of the run that is meant, and the output directory it lies in."""
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

    from labelbench_plus.plugins import PluginError
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.layout import find_run

    try:
        folder = find_run(out, run)
    except LookupError as error:
        _stop(f"run {run!r}: {ONLY_ORDER}" if _imported(run, out) else str(error.args[0]))
    try:
        spec = RunSpec.from_json(json.loads((folder / "config.json").read_bytes()))
        found = spec.id
    except (OSError, ValueError, KeyError, TypeError, PluginError, ValidationError, PydanticCustomError) as error:
        _stop(f"{folder / 'config.json'}: the run cannot be built here: {error}")
    if found != folder.name:
        _stop(f"{folder}: with the code and data of now it would be run {found}: its labels cannot be bought again")
    return spec, folder.parent.parent


def _imported(run: str, out: Path) -> bool:
    """Whether an imported run is meant: a pickle of LabelBench's, or the id of a run in a folder of results."""
    if Path(run).suffix == ".pkl" or (Path(run) / "board.json").is_file():
        return True
    for archive in sorted((out / "imported").glob("*/runs.jsonl.gz")):
        with gzip.open(archive, "rb") as lines:
            if any(json.loads(line)["run"].startswith(run) for line in lines):
                return True
    return False


def _built(text: str) -> Trainer:
    """The trainer that the command line names."""
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from labelbench_plus.plugins import registry

    try:
        value: Any = YAML(typ="safe", pure=True).load(text)
        built: Trainer = registry("trainers").build(value)
    except YAMLError:
        _stop(f"--trainer {text!r}: not valid YAML; expected a name, or e.g. '{{name: mlp, steps: 300}}'")
    except PydanticCustomError as error:
        _stop(f"--trainer {text!r}: {error}")
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False))
        _stop(f"--trainer {text!r}: {'; '.join(faults)}")
    return built


def _check(spec: RunSpec) -> None:
    from labelbench_plus.spec import incompatibilities

    if spec.trainer == spec.proxy:
        _stop(f"run {spec.selection.id} has this very trainer: there is nothing to train again")
    if reasons := incompatibilities(spec):
        _stop("\n".join(reasons))


def _stop(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(USAGE)
