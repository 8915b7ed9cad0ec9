"""ALC of a Gaussian process from a labelled set, for a tenth of the pool as targets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.posterior_variance import alc, posterior_variance

NOISE, GAMMA = 0.1, 1.0


def targets(setting: SpeedSetting) -> Tensor:
    return setting.pool.features[::10]


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Posterior covariances of all candidates with all targets, updated whole."""
    x, labelled, t = setting.pool.features.numpy(), setting.pool.labelled.numpy(), targets(setting).numpy()

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
        return np.exp(-np.maximum(squared, 0) / np.float32(GAMMA))

    gram = kernel(labelled, labelled) + np.float32(NOISE) * np.eye(len(labelled), dtype=np.float32)
    cross = kernel(x, labelled)
    solved = np.linalg.solve(gram, cross.T)
    covariance = kernel(x, t) - cross @ np.linalg.solve(gram, kernel(labelled, t))
    variance = 1 - (cross * solved.T).sum(axis=1)
    picks: list[int] = []
    chosen = labelled
    for _ in range(setting.batch):
        score = (covariance**2).sum(axis=1) / (variance + NOISE)
        score[picks] = -np.inf
        pick = int(score.argmax())
        gram = kernel(chosen, chosen) + np.float32(NOISE) * np.eye(len(chosen), dtype=np.float32)
        weights = np.linalg.solve(gram, kernel(chosen, x[[pick]]))[:, 0]
        own = kernel(x, x[[pick]])[:, 0] - kernel(x, chosen) @ weights
        scale = variance[pick] + NOISE
        covariance -= np.outer(own / scale, covariance[pick])
        variance = variance - own**2 / scale
        picks.append(pick)
        chosen = np.concatenate([chosen, x[[pick]]])
    return np.array(picks)


def ours(setting: SpeedSetting) -> Tensor:
    return alc(
        setting.pool.features,
        setting.batch,
        labelled=setting.pool.labelled,
        targets=targets(setting),
        noise=NOISE,
        kernel=Rbf(GAMMA),
    )


def mean_variance(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]])
    return float(posterior_variance(targets(setting), chosen, noise=NOISE, kernel=Rbf(GAMMA)).mean())


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=mean_variance,
    quality_name="mean posterior variance of the targets (less is better)",
    same_picks=True,
    largest=2_000,
)
