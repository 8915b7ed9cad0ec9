"""k-center greedy from a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.bmdal import bmdal
from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.k_center import covering_radius, k_center_greedy


def textbook(setting: SpeedSetting) -> np.ndarray:
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    norms = np.einsum("ij,ij->i", x, x)
    distance = np.full(len(x), np.inf, dtype=np.float32)
    for start in range(0, len(x), 4096):
        rows = slice(start, start + 4096)
        squared = norms[rows, None] + np.einsum("ij,ij->i", labelled, labelled) - 2 * x[rows] @ labelled.T
        distance[rows] = squared.min(axis=1)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        pick = picks[k] = distance.argmax()
        np.minimum(distance, norms + norms[pick] - 2 * (x @ x[pick]), out=distance)
        distance[pick] = -1
    return picks


def radius(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = setting.pool.features[torch.as_tensor(picks)]
    return covering_radius(setting.pool.features, torch.cat([setting.pool.labelled, chosen]))


def scikit_activeml(setting: SpeedSetting) -> np.ndarray:
    from skactiveml.pool import CoreSet

    pool = setting.pool
    x = torch.cat([pool.features, pool.labelled]).numpy()
    y = np.concatenate([np.full(len(pool.features), np.nan), pool.labelled_classes.numpy()])
    return CoreSet(random_state=setting.seed).query(x, y, batch_size=setting.batch)


def small_text(setting: SpeedSetting) -> np.ndarray:
    from small_text.query_strategies.coresets import greedy_coreset

    n = len(setting.pool.features)
    x = torch.cat([setting.pool.features, setting.pool.labelled]).numpy()
    return greedy_coreset(x, np.arange(n), np.arange(n, len(x)), setting.batch, distance_metric="euclidean")


CASE = Case(
    ours=lambda s: k_center_greedy(s.pool.features, s.batch, centers=s.pool.labelled),
    textbook=textbook,
    quality=radius,
    quality_name="covering radius (less is better)",
    same_picks=True,
    rivals={
        "bmdal": Rival(lambda s: bmdal("maxdist", s), work=50_000_000),
        "scikit-activeml": Rival(scikit_activeml, work=10_000_000),
        "small-text": Rival(small_text, work=200_000),
    },
)
