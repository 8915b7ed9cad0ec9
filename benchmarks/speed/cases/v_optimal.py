"""Greedy V-optimal design from a labelled set, for the pool as targets."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.d_optimal import RIDGE, design_loop, information
from labelbench_plus.algorithms.design.greedy_design import v_optimal


def moment(setting: SpeedSetting) -> np.ndarray:
    x = setting.pool.features.numpy()
    return x.T @ x / np.float32(len(x))


def mean_variance(setting: SpeedSetting, picks: np.ndarray) -> float:
    x = setting.pool.features.double()
    return float(torch.linalg.solve(information(setting, picks), x.T @ x / len(x)).trace())


CASE = Case(
    ours=lambda s: v_optimal(s.pool.features, s.batch, ridge=RIDGE, labelled=s.pool.labelled),
    textbook=lambda s: design_loop(s, moment(s), trace=True),
    quality=mean_variance,
    quality_name="mean prediction variance over the pool (less is better)",
    same_picks=True,
)
