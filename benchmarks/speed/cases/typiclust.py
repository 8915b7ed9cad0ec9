"""TypiClust, clustering included."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from benchmarks.speed.cases.k_means_pp import potential
from labelbench_plus.algorithms.typiclust import typiclust

CLUSTERS, NEIGHBOURS, SMALLEST = 500, 20, 5


def lloyd(x: np.ndarray, clusters: int, rng: np.random.Generator, iterations: int = 100) -> np.ndarray:
    """k-means from random rows, until the centres hardly move."""
    centers = x[rng.choice(len(x), clusters, replace=False)]
    smallest = 1e-4 * x.var(axis=0).mean()
    labels = np.empty(len(x), dtype=np.int64)
    for _ in range(iterations):
        norms = np.einsum("ij,ij->i", centers, centers)
        for start in range(0, len(x), 4096):
            labels[start : start + 4096] = (norms - 2 * x[start : start + 4096] @ centers.T).argmin(axis=1)
        order = labels.argsort(kind="stable")
        counts = np.bincount(labels, minlength=clusters)
        full = counts > 0
        sums = np.add.reduceat(x[order], (counts.cumsum() - counts)[full], axis=0)
        moved = centers.copy()
        moved[full] = sums / counts[full, None]
        shift = float(((moved - centers) ** 2).sum())
        centers = moved
        if shift <= smallest:
            break
    return labels


def textbook(setting: SpeedSetting) -> np.ndarray:
    x = torch.cat([setting.pool.features, setting.pool.labelled]).numpy()
    n = len(setting.pool.features)
    clusters = min(len(x) - n + setting.batch, CLUSTERS)
    labels = lloyd(x, clusters, np.random.default_rng(setting.seed))
    sizes = np.bincount(labels, minlength=clusters)
    labelled = np.bincount(labels[n:], minlength=clusters)
    queues: dict[int, list[int]] = {}
    picks: list[int] = []
    free = sizes - labelled
    while len(picks) < setting.batch:
        usable = (free > 0).nonzero()[0]
        best = int(usable[np.lexsort((-sizes[usable], labelled[usable], sizes[usable] < SMALLEST))[0]])
        if best not in queues:
            members = (labels == best).nonzero()[0]
            norms = np.einsum("ij,ij->i", x[members], x[members])
            squared = norms[:, None] + norms - 2 * x[members] @ x[members].T
            k = min(NEIGHBOURS + 1, len(members))
            near = np.sqrt(np.maximum(np.partition(squared, k - 1, axis=1)[:, :k], 0)).sum(axis=1)
            queues[best] = [int(row) for row in members[near.argsort(kind="stable")[::-1]] if row < n]
        picks.append(queues[best].pop())
        labelled[best] += 1
        free[best] -= 1
    return np.array(picks)


def scikit_activeml(setting: SpeedSetting) -> np.ndarray:
    from skactiveml.pool import TypiClust

    pool = setting.pool
    x = torch.cat([pool.features, pool.labelled]).numpy()
    y = np.concatenate([np.full(len(pool.features), np.nan), pool.labelled_classes.numpy()])
    return TypiClust(random_state=setting.seed).query(x, y, batch_size=setting.batch)


CASE = Case(
    ours=lambda s: typiclust(s.pool.features, s.batch, np.random.default_rng(s.seed), centers=s.pool.labelled),
    textbook=textbook,
    quality=potential,
    quality_name="sum over the pool of the squared distance to the nearest pick (less is better)",
    same_picks=False,
    largest=50_000,
    rivals={"scikit-activeml": Rival(scikit_activeml, largest=2000)},
)
