"""`lbp export`: what a run bought, for other programs to train on."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Out, Plugins, load_plugins, stop
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.contracts.problems import Problem
    from labelbench_plus.store.run_store import RunStore


def export(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or its folder")],
    sft: Annotated[Path, typer.Option("--sft", help="The file of JSON lines to write: prompts and completions")],
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Write what a run bought as JSON lines that TRL's SFTTrainer reads: `prompt`, `completion`, `origin`.

    It is read from the rounds that are committed, and no model is opened. `origin` tells what was bought from the seed
    demonstrations that every run is handed. The prompt source `json_lines` reads the file too.

    Example: lbp export 3fa1 --sft bought.jsonl
    """
    from labelbench_plus.budget import Ledger
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.plugins import PluginError, registry
    from labelbench_plus.seeding import Streams
    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.run_store import RunStore, StoreError

    if not sft.absolute().parent.is_dir():
        stop(f"{sft}: there is no folder {sft.parent}")
    try:
        folder = find_run(out, run)
    except LookupError as error:
        stop(str(error.args[0]))
    store = RunStore(folder.parent.parent, folder.name)
    try:
        config, rounds = store.config(), store.rounds()
    except (StoreError, OSError) as error:
        stop(str(error))
    if not rounds:
        stop(f"run {store.id}: no round is committed yet: nothing was bought")
    load_plugins(plugin)
    try:
        problem = registry("problems").build(config["problem"])
        instance = problem.open_to_check(Place(default_cache_dir()), Streams(config["seed"]))
    except (OSError, ValueError, KeyError, TypeError, PluginError) as error:
        stop(f"{folder / 'config.json'}: the problem cannot be opened here: {error}")
    records = getattr(instance, "sft_records", None)
    if records is None:
        stop(f"run {store.id}: problem {problem.name!r} sells {problem.unit}, no demonstrations for --sft")
    _check_data(problem, store)
    try:
        found = records(Ledger([record.purchase for record in rounds]))
    except IndexError:
        stop(f"run {store.id}: it bought what its problem does not have here: the data are not those of the run")
    replace(sft, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in found).encode())
    counts = Counter(record["origin"] for record in found)
    say(f"{sft}: {counts['bought']} bought, {counts['seed']} seed demonstrations")


def _check_data(problem: Problem, store: RunStore) -> None:
    """End where the data are not those of the run; say so where that cannot be told."""
    if not store.done:
        say(f"warning: run {store.id} is not done: its data are taken to be those of now", file=sys.stderr)
        return
    try:
        found = problem.fingerprint()
    except (OSError, ImportError) as error:  # a model that is not here
        say(f"warning: the data could not be compared with those of the run: {error}", file=sys.stderr)
        return
    if found != store.result()["identity"]["data"]:
        stop(f"run {store.id}: the data of its problem are others now: what it bought is not among them")
