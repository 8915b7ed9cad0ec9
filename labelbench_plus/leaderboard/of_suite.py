"""The leaderboard of a suite, from whatever of its runs is on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from labelbench_plus.leaderboard.board import build_board
from labelbench_plus.leaderboard.publish import build
from labelbench_plus.leaderboard.runs import BoardMeta
from labelbench_plus.leaderboard.text import render
from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.collect import collect
from labelbench_plus.suite import Suite


@dataclass(frozen=True)
class SuiteBoard:
    """What to show: `text` for the terminal, and the `page` that was written, None if nothing can be ranked yet."""

    text: str
    page: Path | None


def publish_suite(suite: Suite, runs: Sequence[RunSpec], root: Path, folder: Path | None = None) -> SuiteBoard:
    """Rank what is there of `runs` below `root`, and write the page and tables to `folder`.

    Without a `folder` it is `root/leaderboards/SUITE`.
    """
    found = collect(suite.suite, runs, root)
    notes = [f"left out, its files are damaged: {reason}" for reason in found.invalid]
    if suite.initial is not None and suite.initial.uses_hidden_labels:
        notes.append(f"the first round was chosen by {label(suite.initial)}, which uses labels nobody paid for")
    if knowing := [label(strategy) for strategy in suite.strategies if strategy.knows_truth]:
        notes.append(f"{', '.join(knowing)}: told the truth that all others must learn, so a bound and no method")
    if found.missing:
        notes.append(f"{len(found.missing)} of {len(runs)} runs have not been started")
    if found.curves.empty or not found.curves["complete"].any():
        return SuiteBoard("\n".join([*notes, f"no run of {suite.suite} is done yet: nothing to rank"]), None)
    metric, higher_is_better = suite.primary_metric()
    grid = tuple(accumulate(suite.budget.amounts()))
    meta = BoardMeta(
        title=suite.title or suite.suite,
        metric=metric,
        higher_is_better=higher_is_better,
        baseline=suite.baseline,
        budgets={label(problem): grid for problem in suite.problems},
        slack={label(problem): problem.dearest() for problem in suite.problems if problem.dearest() > 1},
        shared_start=suite.initial is not None,
        notes=tuple(notes),
    )
    page = build(found.curves, meta, folder or root / "leaderboards" / suite.suite)
    return SuiteBoard(render(build_board(found.curves, meta)), page)
