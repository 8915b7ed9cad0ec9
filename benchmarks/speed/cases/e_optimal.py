"""Greedy E-optimal design from a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information, start
from labelbench_plus.algorithms.design.greedy_design import e_optimal


def textbook(setting: SpeedSetting) -> np.ndarray:
    """The smallest eigenvalue of M + xx' for every row, by the eigenvalues of all those matrices."""
    x = setting.pool.features.double().numpy()
    matrix = start(setting)
    picks: list[int] = []
    for _ in range(setting.batch):
        least = np.full(len(x), -np.inf)
        for first in range(0, len(x), 256):
            part = x[first : first + 256]
            least[first : first + 256] = np.linalg.eigvalsh(matrix + part[:, :, None] * part[:, None, :])[:, 0]
        least[picks] = -np.inf
        picks.append(int(least.argmax()))
        matrix = matrix + np.outer(x[picks[-1]], x[picks[-1]])
    return np.array(picks)


CASE = Case(
    ours=lambda s: e_optimal(s.pool.features, s.batch, ridge=RIDGE, labelled=s.pool.labelled),
    textbook=textbook,
    quality=lambda s, picks: float(torch.linalg.eigvalsh(information(s, picks))[0]),
    quality_name="smallest eigenvalue of M (more is better)",
    same_picks=True,
    largest=50_000,
    textbook_largest=0,  # half a minute a pick at N = 2000 and d = 64
)
