"""Collapses: a score that ranks gets better while one that guards it falls apart.

A run of a strategy collapses where, when its budget is spent, it scores better than the reference and has less of a
guard than the share of the reference's that the problem declares: a reward that rises while answers are no longer
valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labelbench_plus.contracts.scores import Guard
from labelbench_plus.leaderboard.formatting import number, percent
from labelbench_plus.leaderboard.runs import BoardMeta, Run, RunsOfSetting


@dataclass(frozen=True)
class Collapse:
    """A strategy that gives up a guard: at `seeds` of `of` seeds. `gain` over the reference in what ranks, above zero,
    and `kept`, the share of the reference's guard, are means over these seeds."""

    strategy: str
    guard: Guard
    seeds: int
    of: int
    gain: float
    kept: float

    @property
    def told(self) -> str:
        """In the words of a table's cell."""
        return f"{self.guard.score} at {self.seeds} of {self.of} seeds"

    def sentence(self, metric: str) -> str:
        """What a reader must be told."""
        return (
            f"{self.strategy} collapses at {self.seeds} of {self.of} seeds: its {metric} is better than the "
            f"reference’s by {number(self.gain, 3)}, but it keeps {percent(self.kept)} of the reference’s "
            f"{self.guard.score} (below {percent(self.guard.share)} is a collapse)"
        )


def collapses(of: RunsOfSetting, meta: BoardMeta) -> tuple[Collapse, ...]:
    """All strategies of a setting that collapse, by guard and name."""
    sign = 1 if meta.higher_is_better else -1
    found = []
    for guard in meta.about(of.problem).guards:
        for strategy, runs in of.runs.items():
            told = [values for run in runs.values() if (values := _last(run, guard)) is not None]
            lost = [
                (sign * (ranked - of_reference), has / due)
                for ranked, of_reference, has, due in told
                if sign * (ranked - of_reference) > 0 and has < guard.share * due
            ]
            if lost:
                gain, kept = np.mean(lost, axis=0)
                found.append(Collapse(strategy, guard, len(lost), len(told), float(gain), float(kept)))
    return tuple(found)


def _last(run: Run, guard: Guard) -> tuple[float, float, float, float] | None:
    """What ranks and the reference's, the guard and the reference's, at the end; None if not all are known."""
    others: Mapping[str, float] = {name: float(values[-1]) for name, values in run.others.items()}
    names = (guard.ranked_reference, guard.score, guard.reference)
    values = (float(run.values[-1]), *(others.get(name, np.nan) for name in names))
    return values if np.isfinite(values).all() else None  # type: ignore[return-value]
