"""`lbp export`: what a run bought, for other programs to train on."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Out, Plugins, load_plugins, stop
from labelbench_plus.shown import say
from labelbench_plus.store.atomic import replace

if TYPE_CHECKING:
    from labelbench_plus.contracts.problems import Problem
    from labelbench_plus.store.run_store import RunStore


NOTES = "trainer."  # what names of notes of a training begin with, among costs


def export(
    run: Annotated[str, typer.Argument(help="A run's id, its first characters, or its folder")],
    sft: Annotated[
        Path | None, typer.Option("--sft", help="The file of JSON lines to write: prompts and completions")
    ] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option("--synthetic", help="The same for generated training data, with a page about its origin"),
    ] = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
) -> None:
    """Write what a run bought as JSON lines that TRL's SFTTrainer reads: `prompt`, `completion`, `origin`.

    It comes from the committed rounds; no model is loaded. `origin` distinguishes bought answers from the seed
    demonstrations that every run gets. The prompt source `json_lines` reads the file too.

    --synthetic writes the generated data that the last round's model was also trained on, with the run and row of each,
    and a page FILE.md that says what generated it, how much was dropped, and what was not checked.

    Examples:
      lbp export 3fa1 --sft bought.jsonl --synthetic written.jsonl
      lbp export 3fa1 --sft bought.jsonl --plugin my_prompts.py
    """
    from labelbench_plus.budget import Ledger
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.plugins import PluginError, registry
    from labelbench_plus.seeding import Streams
    from labelbench_plus.store.artefacts import default_cache_dir
    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.run_store import RunStore, StoreError

    if not (paths := [path for path in (sft, synthetic) if path is not None]):
        stop("name the file to write: --sft FILE or --synthetic FILE")
    for path in paths:
        if not path.absolute().parent.is_dir():
            stop(f"{path}: there is no folder {path.parent}")
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
        asked = _options(paths, sft)
        stop(f"run {store.id}: problem {problem.name!r} sells {problem.unit}, no demonstrations for {asked}")
    _check_data(problem, store)
    try:
        found = records(Ledger([record.purchase for record in rounds]))
    except IndexError:
        stop(f"run {store.id}: it bought what its problem does not have here: the data are not those of the run")
    counts = Counter(record["origin"] for record in found)
    written = _written(store, instance, counts) if synthetic is not None else None
    if sft is not None:
        replace(sft, _lines(found))
        say(f"{sft}: {counts['bought']} bought, {counts['seed']} seed demonstrations")
    if synthetic is not None and written is not None:
        content, page, kept = written
        card = synthetic.with_suffix(".md")
        replace(synthetic, content)
        replace(card, page.encode())
        say(f"{synthetic}: {kept} that a model wrote; {card} says how")


def _options(paths: Sequence[Path], sft: Path | None) -> str:
    return " and ".join("--sft" if path is sft else "--synthetic" for path in paths)


def _lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _written(store: RunStore, instance: Any, counts: Mapping[str, int]) -> tuple[bytes, str, int]:
    """What the model of the last round was taught on and nobody bought: lines, the page about them, their number."""
    from labelbench_plus.commands.data_card import data_card
    from labelbench_plus.store.run_store import StoreError

    last = store.rounds()[-1]
    try:
        details, config, manifest = store.details_of(last) or {}, store.config(), store.manifest()
    except (StoreError, OSError) as error:
        stop(str(error))
    records = getattr(instance, "synthetic_records", None)
    if records is None or "synthetic" not in details:
        stop(
            f"run {store.id}: round {last.number} holds no generated training data: its trainer "
            "writes nothing, or its details are not here (archives hold them only where asked to)"
        )
    table = details["synthetic"]
    found = [{**record, "run": store.id} for record in records(table)]
    content = _lines(found)
    scores = {name: value for name, value in last.scores.items() if name.startswith("synthetic_")}
    costs = store.costs()[-1]
    notes = {name.removeprefix(NOTES): value for name, value in costs.items() if name.startswith(NOTES)}
    page = data_card(
        content, len(found), table["fate"], dict(counts), config, last.number, scores, notes, manifest, store.id
    )
    return content, page, len(found)


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
