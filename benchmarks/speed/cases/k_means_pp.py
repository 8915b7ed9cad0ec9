"""k-means++ seeding without given centres."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.d2_sampling import k_means_pp


def textbook(setting: SpeedSetting) -> np.ndarray:
    rng = np.random.default_rng(setting.seed)
    x = setting.pool.features.numpy()
    norms = np.einsum("ij,ij->i", x, x)
    picks = [int(rng.integers(len(x)))]
    distance = np.full(len(x), np.inf, dtype=np.float32)
    while True:
        last = picks[-1]
        np.minimum(distance, np.maximum(norms + norms[last] - 2 * (x @ x[last]), 0), out=distance)
        distance[last] = 0
        if len(picks) == setting.batch:
            return np.array(picks)
        mass = distance.astype(np.float64)
        picks.append(int(rng.choice(len(x), p=mass / mass.sum())))


def potential(setting: SpeedSetting, picks: np.ndarray) -> float:
    """Sum over the pool of the squared distance to the nearest pick, by an own plain loop."""
    x = setting.pool.features.double()
    chosen = x[torch.as_tensor(picks)]
    return float(sum(torch.cdist(part, chosen).amin(dim=1).square().sum() for part in x.split(1024)))


def scikit_learn(setting: SpeedSetting) -> np.ndarray:
    from sklearn.cluster import kmeans_plusplus

    # One trial a pick: the law of Arthur and Vassilvitskii, not the greedy variant that is the default.
    x = setting.pool.features.numpy()
    return kmeans_plusplus(x, setting.batch, random_state=setting.seed, n_local_trials=1)[1]


CASE = Case(
    ours=lambda s: k_means_pp(s.pool.features, s.batch, np.random.default_rng(s.seed)),
    textbook=textbook,
    quality=potential,
    quality_name="potential, sum of D² (less is better)",
    same_picks=False,
    rivals={"scikit-learn": Rival(scikit_learn)},
)
