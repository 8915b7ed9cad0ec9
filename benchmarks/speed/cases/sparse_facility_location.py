"""Facility location on the graph of 64 nearest neighbours, graph included."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.facility_location import coverage
from labelbench_plus.algorithms.blocks.similarity import mean_squared_distance
from labelbench_plus.algorithms.facility_location import sparse_facility_location

NEIGHBOURS = 64


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Neighbours by chunks of the distance matrix; greedy that recomputes the gains of all rows from the graph."""
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    gamma = np.float32(mean_squared_distance(setting.pool.features, setting.pool.labelled))
    norms = np.einsum("ij,ij->i", x, x)
    k = min(NEIGHBOURS + 1, len(x))
    nearest = np.empty((len(x), k), dtype=np.int64)
    similarity = np.empty((len(x), k), dtype=np.float32)
    covered = np.zeros(len(x), dtype=np.float32)
    for start in range(0, len(x), 512):
        rows = slice(start, start + 512)
        squared = norms[rows, None] + norms - 2 * x[rows] @ x.T
        nearest[rows] = np.argpartition(squared, k - 1, axis=1)[:, :k] if k < len(x) else np.arange(k)
        near = np.maximum(np.take_along_axis(squared, nearest[rows], axis=1), 0)
        similarity[rows] = np.exp(-near / gamma)
        if len(labelled):
            squared = norms[rows, None] + np.einsum("ij,ij->i", labelled, labelled) - 2 * x[rows] @ labelled.T
            covered[rows] = np.exp(-np.maximum(squared.min(axis=1), 0) / gamma)
    picks: list[int] = []
    for _ in range(setting.batch):
        part = np.maximum(similarity - covered[:, None], 0)
        gains = np.bincount(nearest.ravel(), weights=part.ravel(), minlength=len(x))
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        rows, columns = (nearest == picks[-1]).nonzero()
        covered[rows] = np.maximum(covered[rows], similarity[rows, columns])
    return np.array(picks)


CASE = Case(
    ours=lambda s: sparse_facility_location(
        s.pool.features, s.batch, neighbours=min(NEIGHBOURS, len(s.pool.features)), centers=s.pool.labelled
    ),
    textbook=textbook,
    quality=coverage,
    quality_name="mean largest similarity to what is labelled or picked (more is better)",
    same_picks=True,
    largest=50_000,
    textbook_largest=10_000,
)
