"""Frank-Wolfe in feature space."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.bmdal import bmdal
from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.frank_wolfe import frank_wolfe


def textbook(setting: SpeedSetting) -> np.ndarray:
    x = setting.pool.features.numpy()
    norms = np.linalg.norm(x, axis=1)
    goal = x.sum(axis=0, dtype=np.float64)
    reached = np.zeros_like(goal)
    picks = np.empty(setting.batch, dtype=np.int64)
    for k in range(setting.batch):
        score = (x @ (goal - reached).astype(np.float32)) / norms
        score[picks[:k]] = -np.inf
        pick = picks[k] = score.argmax()
        step = norms.sum(dtype=np.float64) / norms[pick] * x[pick] - reached
        reached = reached + np.clip(step @ (goal - reached) / (step @ step), 0, 1) * step
    return picks


def missing(setting: SpeedSetting, picks: np.ndarray) -> float:
    """Length of what the weighted picks leave out of the sum, as a share of it."""
    x = setting.pool.features.double()
    norms, goal = x.norm(dim=1), x.sum(dim=0)
    reached = torch.zeros_like(goal)
    for pick in torch.as_tensor(picks).tolist():
        step = norms.sum() / norms[pick] * x[pick] - reached
        reached = reached + float(step @ (goal - reached) / (step @ step)) * step
    return float((goal - reached).norm() / goal.norm())


CASE = Case(
    ours=lambda s: frank_wolfe(s.pool.features, s.batch),
    textbook=textbook,
    quality=missing,
    quality_name="share of the pool's sum that is missing (less is better)",
    same_picks=True,
    rivals={"bmdal": Rival(lambda s: bmdal("fw", s, labelled=False), work=50_000_000)},
)
