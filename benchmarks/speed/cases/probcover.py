"""ProbCover at one radius, graph included."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.probcover import probcover

DELTA = 0.5  # a ball holds the rows of about one sub-cluster


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Edges by chunks of the distance matrix; every pick removes the edges into what it covers and counts again."""
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    norms = np.einsum("ij,ij->i", x, x)
    sources, targets = [], []
    covered = np.zeros(len(x), dtype=bool)
    for start in range(0, len(x), 512):
        rows = slice(start, start + 512)
        source, target = (norms[rows, None] + norms - 2 * x[rows] @ x.T < DELTA**2).nonzero()
        sources.append(source + start)
        targets.append(target)
        squared = norms[rows, None] + np.einsum("ij,ij->i", labelled, labelled) - 2 * x[rows] @ labelled.T
        covered[rows] = (squared < DELTA**2).any(axis=1)
    source, target = np.concatenate(sources), np.concatenate(targets)
    picks: list[int] = []
    for _ in range(setting.batch):
        left = ~covered[target]
        source, target = source[left], target[left]
        degree = np.bincount(source, minlength=len(x))
        degree[picks] = -1
        picks.append(int(degree.argmax()))
        covered[target[source == picks[-1]]] = True
    return np.array(picks)


def covered_share(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]]).double()
    covered = [torch.cdist(part.double(), chosen).amin(dim=1) < DELTA for part in setting.pool.features.split(1024)]
    return float(torch.cat(covered).double().mean())


CASE = Case(
    ours=lambda s: probcover(s.pool.features, s.batch, DELTA, centers=s.pool.labelled),
    textbook=textbook,
    quality=covered_share,
    quality_name="share of the pool covered (more is better)",
    same_picks=True,
    largest=50_000,
)
