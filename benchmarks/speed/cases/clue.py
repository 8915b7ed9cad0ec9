"""CLUE: entropy-weighted k-means, and the row nearest to each centre."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from benchmarks.speed.cases.entropy import entropies
from labelbench_plus.algorithms.clue import clue

ITERATIONS = 100


def nearest_distinct(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    norms, free = np.einsum("ij,ij->i", x, x), np.ones(len(x), dtype=bool)
    picks = []
    for centre in centres:
        distance = norms - 2 * (x @ centre)
        distance[~free] = np.inf
        picks.append(int(distance.argmin()))
        free[picks[-1]] = False
    return np.array(picks)


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Weighted Lloyd iterations from rows drawn in proportion to their weight."""
    x, rng = setting.pool.features.numpy(), np.random.default_rng(setting.seed)
    weight = entropies(setting.pool.probabilities.numpy())
    weight = np.maximum(weight, 0) / weight.sum()
    centres = x[rng.choice(len(x), setting.batch, replace=False, p=weight / weight.sum(dtype=np.float64))]
    smallest = 1e-4 * x.var(axis=0).mean()
    for _ in range(ITERATIONS):
        norms = np.einsum("ij,ij->i", centres, centres)
        labels = np.concatenate(
            [(norms - 2 * x[start : start + 4096] @ centres.T).argmin(axis=1) for start in range(0, len(x), 4096)]
        )
        order = labels.argsort(kind="stable")
        counts = np.bincount(labels, minlength=len(centres))
        full = counts > 0
        starts = (counts.cumsum() - counts)[full]
        masses = np.add.reduceat(weight[order], starts)
        moved = centres.copy()
        moved[full] = np.add.reduceat(weight[order, None] * x[order], starts) / np.maximum(masses, 1e-30)[:, None]
        shift = float(((moved - centres) ** 2).sum())
        centres = moved
        if shift <= smallest:
            break
    return nearest_distinct(x, centres)


def weighted_potential(setting: SpeedSetting, picks: np.ndarray) -> float:
    """Entropy-weighted sum over the pool of the squared distance to the nearest pick."""
    chosen = setting.pool.features[torch.as_tensor(picks)].double()
    weight = entropies(setting.pool.probabilities.double().numpy())
    squared = [torch.cdist(part.double(), chosen).amin(dim=1).square() for part in setting.pool.features.split(1024)]
    return float(torch.cat(squared).numpy() @ weight)


def scikit_learn(setting: SpeedSetting) -> np.ndarray:
    from sklearn.cluster import KMeans

    x = setting.pool.features.numpy()
    weight = np.maximum(entropies(setting.pool.probabilities.numpy()), 0)
    means = KMeans(setting.batch, n_init=1, max_iter=ITERATIONS, random_state=setting.seed).fit(x, sample_weight=weight)
    return nearest_distinct(x, means.cluster_centers_)


CASE = Case(
    ours=lambda s: clue(
        s.pool.probabilities, s.pool.features, s.batch, np.random.default_rng(s.seed), iterations=ITERATIONS
    ),
    textbook=textbook,
    quality=weighted_potential,
    quality_name="entropy-weighted sum of squared distances to the nearest pick (less is better)",
    same_picks=False,
    axes=frozenset({"d", "K", "B"}),
    largest=50_000,
    rivals={"scikit-learn": Rival(scikit_learn)},
)
