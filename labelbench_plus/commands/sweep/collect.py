"""`lbp sweep collect`: every round of some sweeps as one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, FAILED, Json, check_writable, stop
from labelbench_plus.commands.sweep.common import Out, open_sweep, specs_of
from labelbench_plus.shown import say

FORMATS = (".parquet", ".csv")


def collect(
    names: Annotated[list[str], typer.Argument(help="Sweeps")],
    out: Out = DEFAULT_OUT,
    to: Annotated[Path, typer.Option("--to", help="A .parquet or .csv file")] = Path("results.parquet"),
    partial: Annotated[bool, typer.Option("--partial", help="Also curves of unfinished runs")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if a run is missing or invalid")] = False,
    as_json: Json = False,
) -> None:
    """Read and verify every round of the given sweeps, and write them as one table. Safe while jobs run.

    The same rounds give the same bytes, in whatever order they were computed. Hyperparameters are columns such as
    `trainer.l2`.

    Examples:
      lbp sweep collect digits --partial --to digits.parquet
      lbp sweep collect digits fashion_linear --to both.csv
    """
    if to.suffix not in FORMATS:
        stop(
            f"--to {to}: tables are written as {' or '.join(FORMATS)}; name such a file, e.g. {to.with_suffix('.csv')}"
        )
    import pandas as pd

    from labelbench_plus.leaderboard import csv_form
    from labelbench_plus.store.atomic import replace
    from labelbench_plus.store.collect import collect as read
    from labelbench_plus.store.collect import hyperparameters

    check_writable(to.parent, "--to")
    tables, missing, invalid, total = [], list[str](), list[str](), 0
    everything = []
    for name in names:
        where = open_sweep(out, name)
        specs = specs_of(where.runs(), where.settings())
        found = read(name, specs, out)
        total += len(specs)
        everything += specs
        invalid += found.invalid
        whole = set(found.curves[found.curves["complete"]]["run_id"]) if len(found.curves) else set()
        broken = {line.partition(" ")[0] for line in found.invalid}
        missing += [f"{spec.id} ({spec})" for spec in specs if spec.id not in whole | broken]
        if len(found.curves):
            tables.append(found.curves if partial else found.curves[found.curves["complete"]])
    table = pd.concat(tables) if tables else pd.DataFrame()
    if len(table):
        table = table.sort_values(["suite", "problem", "trainer", "strategy", "seed", "run_id", "round"])
        table = table.reset_index(drop=True)
        table = table.merge(hyperparameters({spec.id: spec for spec in everything}.values()), on="run_id", how="left")
    content = csv_form.written(table) if to.suffix == ".csv" else table.to_parquet(None, index=False)
    replace(to, content)
    runs = table["run_id"].nunique() if len(table) else 0
    if as_json:
        say(json.dumps({"runs": runs, "rows": len(table), "of": total, "missing": missing, "invalid": invalid}))
    else:
        say(f"{to}: {len(table)} rounds of {runs} runs; {total - len(missing) - len(invalid)} of {total} are complete")
        for title, lines in (("missing or not done", missing), ("invalid", invalid)):
            if lines:
                say(f"{len(lines)} of {total} {title}:")
                say("".join(f"  {line}\n" for line in lines[:10]), end="")
                if len(lines) > 10:
                    say(f"  ... and {len(lines) - 10} more")
    if strict and (missing or invalid):
        raise typer.Exit(FAILED)
