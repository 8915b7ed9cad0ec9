"""k-means to 500 clusters, as TypiClust uses it."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from benchmarks.speed.cases.typiclust import lloyd
from labelbench_plus.algorithms.k_means import k_means

CLUSTERS = 500


def clusters(setting: SpeedSetting) -> int:
    return min(CLUSTERS, len(setting.pool.features))


def inertia(setting: SpeedSetting, labels: np.ndarray) -> float:
    x, label = setting.pool.features.double(), torch.as_tensor(labels).long()
    counts = torch.bincount(label).clamp(min=1)
    means = torch.zeros(len(counts), x.shape[1], dtype=x.dtype).index_add_(0, label, x) / counts[:, None]
    return float((x - means[label]).square().sum())


def scikit_learn(setting: SpeedSetting) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(clusters(setting), n_init=1, random_state=setting.seed).fit_predict(setting.pool.features.numpy())


CASE = Case(
    ours=lambda s: k_means(s.pool.features, clusters(s), np.random.default_rng(s.seed)).labels,
    textbook=lambda s: lloyd(s.pool.features.numpy(), clusters(s), np.random.default_rng(s.seed)),
    quality=inertia,
    quality_name="inertia (less is better)",
    same_picks=False,
    largest=50_000,
    rivals={"scikit-learn": Rival(scikit_learn)},
)
