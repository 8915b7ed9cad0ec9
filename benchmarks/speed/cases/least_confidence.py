"""Least confidence: the rows whose most probable class is least probable."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.uncertainty import least_confidence, top_scores


def textbook(setting: SpeedSetting) -> np.ndarray:
    return np.argsort(setting.pool.probabilities.numpy().max(axis=1), kind="stable")[: setting.batch]


def total_confidence(setting: SpeedSetting, picks: np.ndarray) -> float:
    return float(setting.pool.probabilities.numpy()[picks].max(axis=1).astype(np.float64).sum())


CASE = Case(
    ours=lambda s: top_scores(least_confidence(s.pool.probabilities), s.batch),
    textbook=textbook,
    quality=total_confidence,
    quality_name="sum of the largest probabilities (less is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
)
