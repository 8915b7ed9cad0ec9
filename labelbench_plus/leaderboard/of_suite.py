"""The results of a suite, from whatever of its runs is on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from labelbench_plus.contracts.problems import Problem
from labelbench_plus.leaderboard.results import Results, write_results
from labelbench_plus.leaderboard.runs import About, BoardMeta
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec, hidden_needs
from labelbench_plus.store.collect import collect
from labelbench_plus.store.layout import run_folder
from labelbench_plus.suite import Suite

TOLD = "its strategy is told what nobody paid for: a bound, and not ranked"


@dataclass(frozen=True)
class SuiteBoard:
    """What to show: `text` for the terminal, and the `page` that was written, None if nothing can be ranked yet."""

    text: str
    page: Path | None


def results_of_suite(suite: Suite, runs: Sequence[RunSpec], root: Path) -> Results:
    """What is there of `runs` below `root`; its notes say what is not. No curves if no round of any run is there."""
    found = collect(suite.suite, runs, root)
    notes = [f"left out, its files are damaged: {reason}" for reason in found.invalid]
    if suite.initial is not None and suite.initial.uses_hidden_labels:
        notes.append(f"the first round was chosen by {label(suite.initial)}, which uses labels nobody paid for")
    if knowing := [label(strategy) for strategy in suite.strategies if strategy.knows_truth]:
        notes.append(f"{', '.join(knowing)}: told the truth that all others must learn, so a bound and no method")
    if bounds := [label(problem) for problem in suite.problems if problem.knows_truth()]:
        notes.append(f"{', '.join(bounds)}: shows what no learner can know, so its results are a bound, and not ranked")
    if found.missing:
        notes.append(f"{len(found.missing)} of {len(runs)} runs have no round yet")
    metric, higher_is_better = suite.primary_metric()
    grid = tuple(accumulate(suite.budget.amounts()))
    meta = BoardMeta(
        title=suite.title or suite.suite,
        metric=metric,
        higher_is_better=higher_is_better,
        baseline=suite.baseline,
        budgets={label(problem): grid for problem in suite.problems},
        slack={label(problem): slack for problem in suite.problems if (slack := unspent(problem, grid[-1])) > 0},
        shared_start=suite.initial is not None,
        notes=tuple(notes),
        problems={label(problem): About.of(problem) for problem in suite.problems},
        defects={run.id: TOLD for run in runs if hidden_needs(run.strategy, run.problem)},
    )
    ids: list[str] = found.curves["run_id"].unique().tolist() if len(found.curves) else []
    records = {
        run: {
            name: json.loads((run_folder(root, run) / f"{name}.json").read_bytes()) for name in ("config", "manifest")
        }
        for run in ids
    }
    return Results(found.curves, meta, records)


def unspent(problem: Problem, budget: float) -> float:
    """How much of its budget a round may leave: less than the dearest item where some are dearer than a unit.

    Where what is charged is settled by the answers, all of it.
    """
    if problem.settles_prices:
        return budget
    return problem.dearest() if problem.dearest() > 1 else 0.0


def show_suite(suite: Suite, runs: Sequence[RunSpec], root: Path) -> SuiteBoard:
    """Rank what is there of `runs` below `root`, and write the site to `root/leaderboards/SUITE`."""
    results = results_of_suite(suite, runs, root)
    if not can_rank(results):
        notes = results.meta.notes
        return SuiteBoard("\n".join([*notes, f"no run of {suite.suite} is done yet: nothing to rank"]), None)
    page = build_site([results], root / "leaderboards" / suite.suite)
    return SuiteBoard(render(results.board()), page)


def publish_suite(suite: Suite, runs: Sequence[RunSpec], root: Path, folder: Path) -> None:
    """Write the results of finished runs to `folder`; see `results.write_results`."""
    write_results(results_of_suite(suite, runs, root), folder)


def can_rank(results: Results) -> bool:
    """Whether any run is complete."""
    return not results.curves.empty and bool(results.curves["complete"].any())
