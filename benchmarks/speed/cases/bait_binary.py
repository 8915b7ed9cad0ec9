"""BAIT under a binary likelihood, without a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.bait import bait_binary

RIDGE = 1.0


def scaled(setting: SpeedSetting) -> np.ndarray:
    """Rows whose outer product is their Fisher information."""
    sure = setting.pool.probabilities.numpy().max(axis=1)
    return setting.pool.features.numpy() * np.sqrt(sure * (1 - sure))[:, None]


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Forward to 2B, backward to B; every row's gain from rank-one updates of two quadratic forms."""
    x = scaled(setting)
    n, dimension = x.shape
    fisher = x.T @ x / n
    inverse = np.eye(dimension, dtype=np.float32) / np.float32(RIDGE)
    leverage = np.einsum("ij,ij->i", x @ inverse, x)
    share = np.einsum("ij,ij->i", x @ (inverse @ fisher @ inverse), x)
    picks: list[int] = []
    inside = np.zeros(n, dtype=bool)

    def move(row: int, sign: float) -> None:
        nonlocal inverse, leverage, share
        u = inverse @ x[row]
        u /= np.sqrt(1 + sign * (x[row] @ u))
        moved = fisher @ u
        w = 2 * (inverse @ moved) - sign * (u @ moved) * u
        along = x @ u
        leverage -= sign * along**2
        share -= sign * along * (x @ w)
        inverse = inverse - sign * np.outer(u, u)

    for _ in range(min(2 * setting.batch, n)):
        gain = np.where(inside, -np.inf, share / (1 + leverage))
        row = int(gain.argmax())
        inside[row] = True
        picks.append(row)
        move(row, 1.0)
    while len(picks) > setting.batch:
        members = np.array(picks)
        row = int(members[(share[members] / (1 - leverage[members])).argmin()])
        picks.remove(row)
        move(row, -1.0)
    return np.array(picks)


def trace(setting: SpeedSetting, picks: np.ndarray) -> float:
    x = torch.from_numpy(scaled(setting)).double()
    chosen = x[torch.as_tensor(picks)]
    information = RIDGE * torch.eye(x.shape[1], dtype=torch.float64) + chosen.T @ chosen
    return float(torch.linalg.solve(information, x.T @ x / len(x)).trace())


CASE = Case(
    ours=lambda s: bait_binary(s.pool.probabilities, s.pool.features, s.batch, ridge=RIDGE),
    textbook=textbook,
    quality=trace,
    quality_name="trace(M⁻¹F) (less is better)",
    same_picks=True,
)
