"""Facility location, exact, with a labelled set."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.blocks.similarity import mean_squared_distance
from labelbench_plus.algorithms.facility_location import facility_location

DENSE = 20_000  # rows up to which the textbook keeps the whole similarity matrix


def similarity_to(setting: SpeedSetting, width: float | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Function that gives the similarity of all rows of the pool to given ones, (N, m) float32.

    width: squared lengthscale of the Gaussian, by default the mean squared distance.
    """
    x = setting.pool.features.numpy()
    gamma = np.float32(width or mean_squared_distance(setting.pool.features, setting.pool.labelled))
    norms = np.einsum("ij,ij->i", x, x)

    def similarity(others: np.ndarray) -> np.ndarray:
        squared = norms[:, None] + np.einsum("ij,ij->i", others, others) - 2 * x @ others.T
        np.maximum(squared, 0, out=squared)
        return np.exp(np.divide(squared, -gamma, out=squared), out=squared)

    return similarity


def textbook(setting: SpeedSetting, width: float | None = None) -> np.ndarray:
    """Lazy greedy with a heap, on the similarity matrix where that fits, on columns computed anew where not."""
    x, similarity = setting.pool.features.numpy(), similarity_to(setting, width)
    covered = np.zeros(len(x), dtype=np.float32)
    for part in np.array_split(setting.pool.labelled.numpy(), 10):
        if len(part):
            np.maximum(covered, similarity(part).max(axis=1), out=covered)
    matrix = np.empty((len(x), len(x)), dtype=np.float32) if len(x) <= DENSE else None
    gains = np.empty(len(x))
    for start in range(0, len(x), 256):
        block = similarity(x[start : start + 256])
        if matrix is not None:
            matrix[start : start + 256] = block.T
        block -= covered[:, None]
        gains[start : start + 256] = np.maximum(block, 0, out=block).sum(axis=0)

    def column(row: int) -> np.ndarray:
        return similarity(x[row : row + 1])[:, 0] if matrix is None else matrix[row]

    heap = [(-gain, row, 0) for row, gain in enumerate(gains)]
    heapq.heapify(heap)
    picks: list[int] = []
    while len(picks) < setting.batch:
        _, row, seen = heapq.heappop(heap)
        values = column(row)
        if seen == len(picks):
            picks.append(row)
            np.maximum(covered, values, out=covered)
        else:
            gain = float(np.maximum(values - covered, 0).sum())
            heapq.heappush(heap, (-gain, row, len(picks)))
    return np.array(picks)


def coverage(setting: SpeedSetting, picks: np.ndarray) -> float:
    """Mean over the pool of the largest similarity to a labelled or picked row, in float64."""
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]]).double()
    gamma = mean_squared_distance(setting.pool.features, setting.pool.labelled)
    total = 0.0
    for part in setting.pool.features.split(1024):
        total += float(torch.exp(-torch.cdist(part.double(), chosen).amin(dim=1).square() / gamma).sum())
    return total / len(setting.pool.features)


def apricot(setting: SpeedSetting) -> np.ndarray:
    from apricot import FacilityLocationSelection

    similarity = similarity_to(setting)
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    everyone = np.concatenate([x, labelled])
    matrix = np.zeros((len(everyone), len(everyone)), dtype=np.float32)
    for start in range(0, len(everyone), 256):
        matrix[start : start + 256, : len(x)] = similarity(everyone[start : start + 256]).T
    initial = np.arange(len(x), len(everyone))
    selector = FacilityLocationSelection(setting.batch, metric="precomputed", initial_subset=initial)
    return selector.fit(matrix).ranking[: setting.batch]


CASE = Case(
    ours=lambda s: facility_location(s.pool.features, s.batch, centers=s.pool.labelled),
    textbook=textbook,
    quality=coverage,
    quality_name="mean largest similarity to what is labelled or picked (more is better)",
    same_picks=True,
    largest=50_000,
    textbook_largest=10_000,
    rivals={"apricot": Rival(apricot, largest=10_000)},
)
