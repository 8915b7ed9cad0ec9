"""`lbp show`: one run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Out, stop


def show(
    run: Annotated[str, typer.Argument(help="A run's id, its beginning, or its folder")],
    out: Out = DEFAULT_OUT,
) -> None:
    """Show one run: what it is, what it bought, how it scored, where it was computed.

    Example: lbp show 3fa1
    """
    from labelbench_plus.store.layout import find_run
    from labelbench_plus.store.lease import attempts
    from labelbench_plus.store.run_store import RunStore, StoreError

    try:
        folder = find_run(out, run)
    except LookupError as error:
        stop(str(error.args[0]))
    store = RunStore(folder.parent.parent, folder.name)
    try:
        rounds, costs = store.rounds(), store.costs()
    except (StoreError, OSError) as error:
        stop(str(error))
    settings = json.loads((store.folder / "config.json").read_bytes())
    state = "done" if store.done else "not done"
    print(f"run {store.id}: {state}, {len(rounds)} of {len(settings['amounts'])} rounds")
    for field in ("problem", "trainer", "strategy", "initial", "seed"):
        print(f"  {field:<9} {json.dumps(settings[field])}")
    if "proxy" in settings:
        print(f"  {'proxy':<9} {json.dumps(settings['proxy'])}")
        chosen = json.loads((store.folder / "manifest.json").read_bytes())["selection"]
        print(f"  labels chosen by run {chosen['run']}, which ends with {chosen['head']}")
    if store.model_folder.exists():
        print(f"  its last model: {store.model_folder}")
    for number, attempt in enumerate(attempts(store.folder / "attempts"), start=1):
        ended = attempt.get("ended", "not ended")
        detail = f": {attempt['detail']}" if attempt.get("detail") else ""
        print(f"  attempt {number} on {attempt['host']}, {ended}{detail}")
    if rounds:
        names = list(rounds[0].scores)
        print(
            "  " + "  ".join(f"{head:>{max(9, len(head))}}" for head in ["round", "bought", "spent", *names, "seconds"])
        )
    for record, cost in zip(rounds, costs, strict=True):
        seconds = (cost["select_seconds"] or 0) + (cost["train_seconds"] or 0)
        cells = [f"{record.number:>9}", f"{record.purchase.labels:>9}", f"{record.spent:>9g}"]
        cells += [f"{record.scores[name]:>{max(9, len(name))}.4f}" for name in names]
        notes = [
            f"{name}={value:.4g}" for name, value in cost.items() if name.startswith("strategy.") and value is not None
        ]
        print("  " + "  ".join([*cells, f"{seconds:>9.3f}", *notes]))
