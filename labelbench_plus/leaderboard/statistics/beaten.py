"""Data sets beaten: on how many a strategy is better than the baseline, and on how many worse.

A data set is asked once: its settings are averaged seed by seed first. On each, every strategy is compared with the
baseline by the paired t-test over seeds, adjusted by Holm over the strategies there. Nothing is adjusted over data
sets: where no strategy differs from the baseline, up to one data set in twenty says that one does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelbench_plus.leaderboard.statistics.estimates import ALPHA
from labelbench_plus.leaderboard.statistics.multiplicity import holm
from labelbench_plus.leaderboard.statistics.paired import paired_t_test


@dataclass(frozen=True)
class Beaten:
    """Numbers of data sets: those where it is significantly better than the baseline, worse, and could be tested."""

    better: int
    worse: int
    tested: int


def datasets_beaten(gains: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> dict[str, Beaten]:
    """For each strategy on how many data sets it differs from the baseline.

    `gains`: strategy -> data set -> its (seeds,) gains over the baseline at equal seeds.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in gains}
    for dataset in sorted({dataset for of_strategy in gains.values() for dataset in of_strategy}):
        there = [name for name in gains if dataset in gains[name]]
        adjusted = holm([paired_t_test(gains[name][dataset]) for name in there])
        for name, p in zip(there, adjusted, strict=True):
            found[name].append((float(p), float(gains[name][dataset].mean())))
    return {
        name: Beaten(
            better=sum(p <= ALPHA and mean > 0 for p, mean in tests),
            worse=sum(p <= ALPHA and mean < 0 for p, mean in tests),
            tested=sum(not math.isnan(p) for p, _ in tests),
        )
        for name, tests in found.items()
    }
