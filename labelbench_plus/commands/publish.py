"""`lbp publish`: finished runs as a folder to commit; `lbp restore`: published runs as if computed here."""

from __future__ import annotations

import shlex
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Allow, Out, Overrides, Plugins, SuiteArgument, load_runs, stop
from labelbench_plus.shown import say

MOST_TOLD = 20


def publish(
    suite: SuiteArgument,
    to: Annotated[Path, typer.Argument(help="A folder, e.g. results/digits")],
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    details: Annotated[
        bool, typer.Option("--details", help="Also archive what evaluations reported beyond scores")
    ] = False,
) -> None:
    """Write a finished suite's results and a compact archive of its runs to a folder that can be committed.

    Examples:
      lbp publish digits results/digits seeds=0..2
      lbp publish mine.yaml results/mine --plugin my_strategy.py
    """
    from labelbench_plus.leaderboard.of_suite import publish_suite
    from labelbench_plus.store.archive import write_archive
    from labelbench_plus.store.run_store import RunStore

    loaded, runs = load_runs(suite, overrides, plugin, out)
    stores = [RunStore(out, spec.id) for spec in runs]
    if missing := sum(not store.done for store in stores):
        command = shlex.join(["lbp", "run", str(suite), *(overrides or ()), "--out", str(out)])
        stop(f"{missing} of {len(runs)} runs of {loaded.suite} are not finished: {command}")
    publish_suite(loaded, runs, out, to)
    count = write_archive(stores, to / "runs.jsonl.gz", details=details)
    say(f"{count} runs and their tables: {to}")
    say(f"pages: lbp leaderboard build {to} --to FOLDER")


def restore(
    archive: Annotated[Path, typer.Argument(help="A runs.jsonl.gz")], out: Out = DEFAULT_OUT, allow: Allow = None
) -> None:
    """Unpack published runs as if they had been computed here, so that suites continue from them.

    Nothing is unpacked from an archive with a run that contradicts itself or leads outside the benchmark, because other
    commands would build it.

    Examples:
      lbp restore results/digits/runs.jsonl.gz
      lbp restore results/digits/runs.jsonl.gz --out again
    """
    from labelbench_plus.store.archive import restore_archive
    from labelbench_plus.store.run_store import StoreError
    from labelbench_plus.strangers import Allowed
    from labelbench_plus.submission.restoring import faults

    if found := list(islice(faults(archive, Allowed.of(allow or ())), MOST_TOLD)):
        more = ["and perhaps more"] if len(found) == MOST_TOLD else []
        stop("\n".join([*map(str, found), *more, f"{archive}: nothing was restored"]))
    try:
        say(f"{restore_archive(archive, out)} runs restored to {out}")
    except (StoreError, OSError, ValueError, KeyError) as error:
        stop(f"{archive}: {error}")
