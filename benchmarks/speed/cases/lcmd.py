"""LCMD from a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.bmdal import bmdal
from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, FeaturePoints, nearest_centres
from labelbench_plus.algorithms.lcmd import lcmd


def textbook(setting: SpeedSetting) -> np.ndarray:
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    norms = np.einsum("ij,ij->i", x, x)
    distance, owner = np.empty(len(x), dtype=np.float32), np.empty(len(x), dtype=np.int64)
    for start in range(0, len(x), 4096):
        rows = slice(start, start + 4096)
        squared = norms[rows, None] + np.einsum("ij,ij->i", labelled, labelled) - 2 * x[rows] @ labelled.T
        owner[rows], distance[rows] = squared.argmin(axis=1), squared.min(axis=1)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        sizes = np.bincount(owner, weights=np.maximum(distance, 0))
        pick = picks[k] = np.where(owner == sizes.argmax(), distance, -2).argmax()
        squared = norms + norms[pick] - 2 * (x @ x[pick])
        nearer = squared < distance
        distance[nearer], owner[nearer] = squared[nearer], len(labelled) + k
        distance[pick], owner[pick] = -1, len(labelled) + k
    return picks


def largest_cluster(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]])
    points = [FeaturePoints.of(rows, "rows") for rows in (setting.pool.features, chosen)]
    distance, owner = nearest_centres(*points, DEFAULT_CHUNK_BYTES)
    return float(torch.bincount(owner, weights=distance).max())


CASE = Case(
    ours=lambda s: lcmd(s.pool.features, s.batch, centers=s.pool.labelled),
    textbook=textbook,
    quality=largest_cluster,
    quality_name="size of the largest cluster (less is better)",
    same_picks=True,
    rivals={"bmdal": Rival(lambda s: bmdal("lcmd", s), work=50_000_000)},
)
