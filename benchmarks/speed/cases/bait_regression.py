"""BAIT for real-valued labels from a labelled set: forward to 2B, backward to B."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.bmdal import bmdal
from benchmarks.speed.case import Case, Rival, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information, start
from labelbench_plus.algorithms.bait_regression import bait_regression


def rows(setting: SpeedSetting) -> np.ndarray:
    return torch.cat([setting.pool.features, setting.pool.labelled]).numpy()


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Every row's gain from rank-one updates of two quadratic forms; going back, of the picks' alone."""
    x, every = setting.pool.features.numpy(), rows(setting)
    fisher = every.T @ every / np.float32(len(every))
    inverse = np.linalg.inv(start(setting)).astype(np.float32)
    leverage = np.einsum("ij,ij->i", x @ inverse, x)
    share = np.einsum("ij,ij->i", x @ (inverse @ fisher @ inverse), x)
    picks: list[int] = []

    def move(x: np.ndarray, row: int, sign: int) -> None:
        nonlocal inverse, leverage, share
        u = inverse @ x[row]
        u /= np.sqrt(1 + sign * (x[row] @ u))
        moved = fisher @ u
        along = x @ u
        share = share - sign * along * (x @ (2 * (inverse @ moved) - sign * (u @ moved) * u))
        leverage = leverage - sign * along**2
        inverse = inverse - sign * np.outer(u, u)

    for _ in range(min(2 * setting.batch, len(x))):
        gain = share / (1 + leverage)
        gain[picks] = -np.inf
        picks.append(int(gain.argmax()))
        move(x, picks[-1], 1)
    inside, leverage, share = x[picks], leverage[picks], share[picks]
    left = np.ones(len(picks), dtype=bool)
    for _ in range(len(picks) - setting.batch):
        loss = np.where(left, share / np.maximum(1 - leverage, 1e-6), np.inf)
        left[loss.argmin()] = False
        move(inside, int(loss.argmin()), -1)
    return np.array(picks)[left]


def trace(setting: SpeedSetting, picks: np.ndarray) -> float:
    every = torch.from_numpy(rows(setting)).double()
    return float(torch.linalg.solve(information(setting, picks), every.T @ every / len(every)).trace())


CASE = Case(
    ours=lambda s: bait_regression(s.pool.features, s.batch, labelled_embeddings=s.pool.labelled, ridge=RIDGE),
    textbook=textbook,
    quality=trace,
    quality_name="trace(M⁻¹F) (less is better)",
    same_picks=True,
    rivals={"bmdal": Rival(lambda s: bmdal("bait", s, sigma=RIDGE**0.5, keep=2.0), work=50_000_000)},
)
