"""What a submission would do, as far as that is known where data or weights are missing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labelbench_plus.commands.sweep.show_plan import in_hours
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.contracts.launchers import Launcher
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.suite import Suite


def show_unresolved(
    suite: Suite,
    specs: Sequence[RunSpec],
    absent: Sequence[str],
    launcher: Launcher,
    filters: Sequence[tuple[str, Any]],
    limit: int | None,
    as_json: bool,
) -> None:
    """Print the runs that would be submitted, what they may spend, and how to get what is missing.

    Which of them are done already is not known: that is looked up by id, and ids hash data and weights.

    Parameters
    ----------
    absent: what is missing and the ways to get it, a text a source.
    filters: keys and values that a run must have. limit: at most this many runs.
    """
    from labelbench_plus.plugins import label

    runs: list[dict[str, Any]] = [
        {
            "problem": label(spec.problem),
            "trainer": spec.trainer_label,
            "strategy": label(spec.strategy),
            "seed": spec.seed,
            "unit": spec.problem.unit,
            "spends": sum(spec.amounts),
        }
        for spec in specs
    ]
    runs = [run for run in runs if all(run[key] == value for key, value in filters)][:limit]
    jobs = math.ceil(len(runs) / launcher.runs_per_job)
    ceiling = jobs * launcher.time_limit * max(1, launcher.gpus_per_job) / 3600 if launcher.time_limit else None
    if as_json:
        say(json.dumps({"runs": runs, "jobs": jobs, "ceiling": ceiling, "absent": list(absent)}))
        return
    say(f"{suite.suite}: {len(runs)} runs as {jobs} jobs to {launcher.name!r}, unless they are done")
    spent: dict[str, float] = {}
    for run in runs:
        spent[run["unit"]] = spent.get(run["unit"], 0.0) + run["spends"]
    rounds = ", ".join(f"{amount:,.10g}" for amount in suite.budget.amounts())
    say(f"  budget: {rounds} a run, round after round; {_listed(spent)} in all at most")
    known = (
        f"at most {in_hours(ceiling, launcher)} if every job used its time limit once" if ceiling is not None else None
    )
    say(f"  cost: {known or f'unknown, as {launcher.name!r} limits no time'}")
    for run in runs:
        say(f"{run['problem']}  {run['trainer']}  {run['strategy']}  {run['seed']}")
    say("nothing submitted; ids are not known until this machine has what is missing:")
    for text in absent:
        say(f"  {text}")


def _listed(spent: dict[str, float]) -> str:
    return ", ".join(f"{amount:,.10g} {unit}" for unit, amount in spent.items()) or "nothing"
