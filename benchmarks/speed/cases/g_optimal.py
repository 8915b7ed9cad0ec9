"""Greedy G-optimal design from a labelled set, for the pool as targets."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information, start
from labelbench_plus.algorithms.design.greedy_design import g_optimal


def textbook(setting: SpeedSetting) -> np.ndarray:
    """All pairs x'M⁻¹t, in memory and brought up to date after every pick: what each row leaves of the worst target."""
    x = setting.pool.features.numpy()
    cross = x @ np.linalg.inv(start(setting)).astype(np.float32) @ x.T
    picks: list[int] = []
    for _ in range(setting.batch):
        variance = cross.diagonal()
        worst = np.full(len(x), np.inf, dtype=np.float32)
        for first in range(0, len(x), 256):
            rows = slice(first, first + 256)
            worst[rows] = (variance - cross[rows] ** 2 / (1 + variance[rows, None])).max(axis=1)
        worst[picks] = np.inf
        pick = int(worst.argmin())
        picks.append(pick)
        u = cross[pick] / np.sqrt(1 + variance[pick])
        cross -= np.outer(u, u)
    return np.array(picks)


def worst_variance(setting: SpeedSetting, picks: np.ndarray) -> float:
    root = torch.linalg.cholesky(information(setting, picks))
    mapped = torch.linalg.solve_triangular(root, setting.pool.features.double().T, upper=False)
    return float(mapped.square().sum(dim=0).max())


CASE = Case(
    ours=lambda s: g_optimal(s.pool.features, s.batch, ridge=RIDGE, labelled=s.pool.labelled),
    textbook=textbook,
    quality=worst_variance,
    quality_name="largest prediction variance in the pool (less is better)",
    same_picks=True,
    largest=10_000,
    textbook_largest=2000,
    textbook_work=2000 * 100,
)
