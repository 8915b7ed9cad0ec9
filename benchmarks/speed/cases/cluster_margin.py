"""Step 2 of Cluster-Margin: rows of small margin, in turn from clusters that are given."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.margin import total_margin
from labelbench_plus.algorithms.cluster_margin import cluster_margin
from labelbench_plus.algorithms.uncertainty import margin


def clusters(setting: SpeedSetting) -> Tensor:
    """Any clustering will do for the time: the class that generated a row."""
    return setting.pool.labels


def textbook(setting: SpeedSetting) -> np.ndarray:
    rng = np.random.default_rng(setting.seed)
    top = np.sort(setting.pool.probabilities.numpy(), axis=1)[:, -2:].astype(np.float64)
    shortlist = np.argsort(top[:, 1] - top[:, 0], kind="stable")[: 10 * setting.batch]
    shortlist = shortlist[rng.permutation(len(shortlist))]
    own = clusters(setting).numpy()[shortlist]
    queues = sorted((shortlist[own == k].tolist() for k in np.unique(own)), key=len)
    picks: list[int] = []
    while len(picks) < setting.batch:
        for queue in queues:
            if queue and len(picks) < setting.batch:
                picks.append(queue.pop())
    return np.array(picks)


def ours(setting: SpeedSetting) -> Tensor:
    rng, size = np.random.default_rng(setting.seed), min(10 * setting.batch, len(setting.pool.features))
    return cluster_margin(margin(setting.pool.probabilities), clusters(setting), setting.batch, rng, shortlist=size)


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=total_margin,
    quality_name="sum of the margins (random within the shortlist; neither way is better)",
    same_picks=False,
    axes=frozenset({"K", "B"}),
)
