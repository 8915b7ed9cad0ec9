"""Greedy D-optimal design from a labelled set."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.bmdal import bmdal
from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.design.greedy_design import d_optimal

RIDGE = 1e-2


def start(setting: SpeedSetting) -> np.ndarray:
    """M before the first pick, in float64."""
    labelled = setting.pool.labelled.double().numpy()
    return RIDGE * np.eye(labelled.shape[1]) + labelled.T @ labelled


def design_loop(setting: SpeedSetting, moment: np.ndarray | None, *, trace: bool) -> np.ndarray:
    """Rank-one updates of every row's leverage x'M⁻¹x and, for traces, of x'M⁻¹TM⁻¹x; one pass over the pool a pick."""
    x = setting.pool.features.numpy()
    inverse = np.linalg.inv(start(setting)).astype(np.float32)
    leverage = np.einsum("ij,ij->i", x @ inverse, x)
    share = leverage
    if trace:
        share = np.einsum("ij,ij->i", x @ (inverse @ inverse if moment is None else inverse @ moment @ inverse), x)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        gain = share / (1 + leverage) if trace else leverage.copy()
        gain[picks[:k]] = -np.inf
        pick = picks[k] = gain.argmax()
        u = inverse @ x[pick]
        u /= np.sqrt(1 + x[pick] @ u)
        along = x @ u
        if trace:
            moved = u if moment is None else moment @ u
            share = share - along * (x @ (2 * (inverse @ moved) - (u @ moved) * u))
        leverage = leverage - along**2
        inverse = inverse - np.outer(u, u)
    return picks


def information(setting: SpeedSetting, picks: np.ndarray) -> torch.Tensor:
    chosen = setting.pool.features[torch.as_tensor(picks)].double()
    return torch.from_numpy(start(setting)) + chosen.T @ chosen


CASE = Case(
    ours=lambda s: d_optimal(s.pool.features, s.batch, ridge=RIDGE, labelled=s.pool.labelled),
    textbook=lambda s: design_loop(s, None, trace=False),
    quality=lambda s, picks: float(torch.linalg.slogdet(information(s, picks)).logabsdet),
    quality_name="log det M (more is better)",
    same_picks=True,
    rivals={"bmdal": Rival(lambda s: bmdal("maxdet", s, sigma=RIDGE**0.5), work=50_000_000)},
)
