"""The results of a suite, from whatever of its runs is on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from labelbench_plus.contracts.problems import Problem
from labelbench_plus.leaderboard.facets import without_argument
from labelbench_plus.leaderboard.markdown import render as as_markdown
from labelbench_plus.leaderboard.results import Results, write_results
from labelbench_plus.leaderboard.runs import About, BoardMeta
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.leaderboard.text import render
from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec, hidden_needs
from labelbench_plus.store.collect import collect
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.suite import Suite


@dataclass(frozen=True)
class SuiteBoard:
    """What to show: `text` for the terminal, `markdown` to paste, and the `page` that was written.

    `page` is None where none was written, with the reason.
    """

    text: str
    page: Path | None
    ranked: bool
    markdown: str = ""
    why_no_page: str = ""


def results_of_suite(suite: Suite, runs: Sequence[RunSpec], root: Path) -> Results:
    """What is there of `runs` below `root`; its notes say what is not. No curves if no round of any run is there."""
    found = collect(suite.suite, runs, root)
    damaged = [f"left out, its files are damaged: {reason}" for reason in found.invalid]
    missing = [f"{len(found.missing)} of {len(runs)} runs have no round yet"] if found.missing else []
    meta = meta_of_runs(runs, suite.title or suite.suite, suite.baseline)
    meta = replace(meta, notes=(*damaged, *meta.notes, *missing), titles=suite.titles)
    ids: list[str] = found.curves["run_id"].unique().tolist() if len(found.curves) else []
    stores = [RunStore(root, run) for run in ids]
    records = {store.id: {"config": store.config(), "manifest": store.manifest()} for store in stores}
    return Results(found.curves, meta, records)


def meta_of_runs(runs: Sequence[RunSpec], title: str, baseline: str) -> BoardMeta:
    """What a board must know of runs of one suite, which all have one metric and one way to begin."""
    metric, higher_is_better = runs[0].problem.primary_metric()
    problems = {label(run.problem): run.problem for run in runs}
    budgets = {label(run.problem): tuple(accumulate(run.amounts)) for run in runs}
    slack = {name: left for name, problem in problems.items() if (left := unspent(problem, budgets[name][-1])) > 0}
    return BoardMeta(
        title=title,
        metric=metric,
        higher_is_better=higher_is_better,
        baseline=baseline,
        budgets=budgets,
        slack=slack,
        shared_start=runs[0].initial is not None,
        notes=_what_is_told(runs),
        problems={name: About.of(problem) for name, problem in problems.items()},
        bounds=tuple(dict.fromkeys(label(run.strategy) for run in runs if hidden_needs(run.strategy, run.problem))),
    )


def _what_is_told(runs: Sequence[RunSpec]) -> tuple[str, ...]:
    """Notes of runs that know more than what was paid for."""
    notes = [
        f"the first round was chosen by {initial}, which uses labels that were not bought"
        for initial in dict.fromkeys(
            label(run.initial) for run in runs if run.initial is not None and run.initial.uses_hidden_labels
        )
    ]
    if knowing := dict.fromkeys(label(run.strategy) for run in runs if run.strategy.knows_truth):
        notes.append(f"{', '.join(knowing)}: told the truth that all others must learn, so a bound and no method")
    if bounds := dict.fromkeys(label(run.problem) for run in runs if run.problem.knows_truth()):
        notes.append(f"{', '.join(bounds)}: shows what no learner can know, so its results are a bound, and not ranked")
    return (*notes, *_lacking_controls(runs))


def _lacking_controls(runs: Sequence[RunSpec]) -> Iterator[str]:
    """Notes of values of a facet that are compared without what would show that a gain is theirs."""
    compared: dict[tuple[str, str], tuple[set[str], dict[str, None]]] = {}
    for problem in dict.fromkeys(run.problem for run in runs):
        for facet, value in problem.facets().items():
            rest = without_argument(label(problem), facet, value) or label(problem)
            there, wanted = compared.setdefault((facet, rest), (set(), {}))
            there.add(value)
            wanted.update(dict.fromkeys(problem.facet_controls().get(facet, ())))
    for (facet, rest), (there, wanted) in compared.items():
        named = {value.partition("(")[0] for value in there}
        if lacking := [value for value in wanted if value not in named]:
            yield (
                f"{facet}, {rest}: nobody can say what a gain comes from, as the suite lacks the "
                f"control{'s' * (len(lacking) > 1)} {' and '.join(lacking)}"
            )


def unspent(problem: Problem, budget: float) -> float:
    """How much of its budget a round may leave unspent: less than the highest price, where that exceeds a unit.

    Where what is charged is settled by the answers, all of it.
    """
    if problem.settles_prices:
        return budget
    return problem.max_price() if problem.max_price() > 1 else 0.0


def show_suite(suite: Suite, runs: Sequence[RunSpec], root: Path) -> SuiteBoard:
    """Rank what is there of `runs` below `root`, and write the site to `root/leaderboards/SUITE`."""
    if unscored := dict.fromkeys(label(run.problem) for run in runs if not run.problem.is_scored()):
        return SuiteBoard(
            f"{', '.join(unscored)}: nothing is scored, as no labelled examples are set apart", None, False
        )
    results = results_of_suite(suite, runs, root)
    if not can_rank(results):
        notes = results.meta.notes
        return SuiteBoard("\n".join([*notes, f"no run of {suite.suite} is done yet: nothing to rank"]), None, False)
    board, folder = results.board(), root / "leaderboards" / suite.suite
    page, why = None, ""
    try:
        page = build_site([results], folder)
    except OSError as error:  # somebody else's results can be looked at all the same
        why = f"{folder} cannot be written to: {error.strerror or error}"
    return SuiteBoard(render(board), page, True, as_markdown(board), why)


def publish_suite(suite: Suite, runs: Sequence[RunSpec], root: Path, folder: Path) -> None:
    """Write the results of finished runs to `folder`; see `results.write_results`."""
    write_results(results_of_suite(suite, runs, root), folder)


def can_rank(results: Results) -> bool:
    """Whether any run is complete."""
    return not results.curves.empty and bool(results.curves["complete"].any())
