"""Greedy log-determinant with a linear kernel and a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.log_det import log_det


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Gains of all rows by rank-one updates: one product with the features a pick."""
    x, labelled = setting.pool.features.numpy(), setting.pool.labelled.numpy()
    inverse = np.linalg.inv(np.eye(x.shape[1]) + labelled.T.astype(np.float64) @ labelled).astype(np.float32)
    leverage = np.einsum("ij,ij->i", x @ inverse, x)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        pick = picks[k] = leverage.argmax()
        direction = inverse @ x[pick]
        scale = 1 + x[pick] @ direction
        leverage -= (x @ direction) ** 2 / scale
        inverse -= np.outer(direction, direction) / scale
        leverage[picks[: k + 1]] = -1
    return picks


def value(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = torch.cat([setting.pool.labelled, setting.pool.features[torch.as_tensor(picks)]]).double()
    return float(torch.linalg.slogdet(torch.eye(chosen.shape[1], dtype=chosen.dtype) + chosen.T @ chosen)[1])


CASE = Case(
    ours=lambda s: log_det(s.pool.features, s.batch, centers=s.pool.labelled),
    textbook=textbook,
    quality=value,
    quality_name="log det(I + K) of what is labelled or picked (more is better)",
    same_picks=True,
)
