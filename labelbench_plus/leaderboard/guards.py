"""Collapses: a score that ranks improves while one that guards it collapses.

A run of a strategy collapses if, once its budget is spent, it scores better than the reference but keeps less of a
guard than the share of the reference's that the problem declares: for example, a reward that rises while answers stop
being valid. The reference is the one that the run itself reports (such as an untuned policy), or the run of the
baseline at its seed.
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
    """A strategy that gives up a guard: at `seeds` of `of` seeds. `gain` over the `reference` in what ranks, above
    zero, and `kept`, the share of the reference's guard, are means over these seeds."""

    strategy: str
    guard: Guard
    reference: str
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
            f"{self.strategy} collapses at {self.seeds} of {self.of} seeds: its {metric} is better than "
            f"{self.reference}’s by {number(self.gain, 3)}, but it keeps {percent(self.kept)} of {self.reference}’s "
            f"{self.guard.score} (below {percent(self.guard.share)} is a collapse)"
        )


def collapses(of: RunsOfSetting, meta: BoardMeta) -> tuple[Collapse, ...]:
    """All strategies of a setting that collapse, by guard and name."""
    sign = 1 if meta.higher_is_better else -1
    found = []
    for guard in meta.about(of.problem).guards:
        by_itself = guard.reference is not None
        baseline: Mapping[int, Run] = {} if by_itself else of.runs.get(meta.baseline, {})
        for strategy, runs in of.runs.items():
            asked = [(run, run if by_itself else baseline.get(seed)) for seed, run in runs.items()]
            told = [values for run, other in asked if (values := _last(run, other, guard)) is not None]
            lost = [
                (sign * (ranked - of_reference), has / due)
                for ranked, of_reference, has, due in told
                if sign * (ranked - of_reference) > 0 and has < guard.share * due
            ]
            if lost:
                gain, kept = np.mean(lost, axis=0)
                reference = "the reference" if by_itself else meta.baseline
                found.append(Collapse(strategy, guard, reference, len(lost), len(told), float(gain), float(kept)))
    return tuple(found)


def _last(run: Run, reference: Run | None, guard: Guard) -> tuple[float, float, float, float] | None:
    """What ranks and the reference's, the guard and the reference's, at the end; None if not all are known."""
    if reference is None:
        return None
    of_reference = float(reference.values[-1])
    if guard.ranked_reference is not None:
        of_reference = _other(reference, guard.ranked_reference)
    due = _other(reference, guard.score if guard.reference is None else guard.reference)
    values = (float(run.values[-1]), of_reference, _other(run, guard.score), due)
    return values if np.isfinite(values).all() else None


def _other(run: Run, score: str) -> float:
    """A score beside the one that ranks, at the end; NaN where nobody knows it."""
    return float(run.others[score][-1]) if score in run.others else np.nan
