"""What was planned and what is there: a board says in a note where the two differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from labelbench_plus.leaderboard.formatting import sentence_list
from labelbench_plus.plugins import label
from labelbench_plus.spec import RunSpec
from labelbench_plus.submission.findings import Finding
from labelbench_plus.submission.schema import Planned
from labelbench_plus.suite import Suite


def plan_of(suite: Suite, as_run: Suite) -> Planned:
    """What a suite would run as it was written.

    Parameters
    ----------
    as_run: the same with its overrides: more seeds than were planned are no departure, fewer are.
    """
    return Planned(
        problems=[label(problem) for problem in suite.problems],
        trainers=list(dict.fromkeys(run.trainer_label for run in suite.runs())),
        strategies=[label(strategy) for strategy in suite.strategies],
        seeds=sorted({*suite.seeds, *as_run.seeds}),
    )


def departures(planned: Planned, runs: Sequence[RunSpec], baseline: str) -> tuple[str, ...]:
    """One sentence for each thing that was planned and is not there as a whole, or is there and was not planned.

    The baseline may stay away: gains over it are read off published runs, or there are none.
    """
    strategies = {label(run.strategy) for run in runs}
    awaited = [name for name in planned.strategies if name != baseline or name in strategies]
    there: tuple[tuple[str, Collection[int | str], Collection[int | str]], ...] = (
        ("problem", planned.problems, {label(run.problem) for run in runs}),
        ("trainer", planned.trainers, {run.trainer_label for run in runs}),
        ("strategy", awaited, strategies),
        ("seed", planned.seeds, {run.seed for run in runs}),
    )
    return tuple(sentence for axis in there for sentence in _of_axis(*axis))


def check_seeds(planned: Planned, file: str) -> Iterator[Finding]:
    """Whether the planned seeds are a whole range: one that was left out may have been left out for its result."""
    first, last = min(planned.seeds), max(planned.seeds)
    if last - first + 1 != len(set(planned.seeds)):
        shown = sentence_list([str(seed) for seed in sorted(planned.seeds)])
        yield Finding(file, "seeds in between are left out", "", "planned.seeds", f"all of {first} to {last}", shown)


def _of_axis(name: str, planned: Collection[int | str], there: Collection[int | str]) -> Iterator[str]:
    plural = {"strategy": "strategies"}.get(name, f"{name}s")
    ran = [each for each in planned if each in there]
    if len(ran) < len(planned):
        yield f"{len(ran)} of {len(planned)} planned {plural}: {sentence_list([str(each) for each in ran]) or 'none'}"
    if more := sorted(str(each) for each in there if each not in planned):
        yield f"{plural} that were not planned: {sentence_list(more)}"
