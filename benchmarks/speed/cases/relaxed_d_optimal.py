"""Continuous D-optimal design with a certificate, rounded to distinct rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, information, start
from labelbench_plus.algorithms.design.design_rounding import round_d_optimal
from labelbench_plus.algorithms.design.relaxed_design import relaxed_d_optimal

TOLERANCE = 1e-3


def ours(setting: SpeedSetting) -> Tensor:
    x, labelled = setting.pool.features, setting.pool.labelled
    design = relaxed_d_optimal(x, setting.batch, ridge=RIDGE, labelled=labelled, tolerance=TOLERANCE)
    return round_d_optimal(x, design, ridge=RIDGE, labelled=labelled).picks


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Frank–Wolfe on weights of at most one, 300 steps of size 2 / (k + 2), then the rows of largest weight."""
    x, first = setting.pool.features.numpy(), start(setting)
    weights = np.full(len(x), setting.batch / len(x), dtype=np.float32)
    for k in range(300):
        matrix = first + (x * weights[:, None]).T @ x
        slopes = np.einsum("ij,ij->i", x @ np.linalg.inv(matrix).astype(np.float32), x)
        vertex = np.zeros_like(weights)
        vertex[np.argpartition(-slopes, setting.batch - 1)[: setting.batch]] = 1
        weights += np.float32(2 / (k + 2)) * (vertex - weights)
    return np.argsort(-weights, kind="stable")[: setting.batch]


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=lambda s, picks: float(torch.linalg.slogdet(information(s, picks)).logabsdet),
    quality_name="log det M of the rounded design (more is better)",
    same_picks=False,
    largest=50_000,
    textbook_largest=10_000,
)
