"""EPIG over an ensemble of eight, for 100 targets."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.epig import epig
from labelbench_plus.algorithms.uncertainty import top_scores

TARGETS = 100


def scores(members: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean over targets of I(y; y*), in the precision of the input."""
    tiny = np.finfo(np.float32).tiny
    count = len(members)
    flat = targets.reshape(count, -1)
    out = np.empty(members.shape[1], dtype=members.dtype)
    for row in range(members.shape[1]):
        joint = members[:, row].T @ flat / count
        product = np.outer(members[:, row].mean(axis=0), flat.mean(axis=0))
        out[row] = (joint * np.log(np.maximum(joint, tiny) / np.maximum(product, tiny))).sum() / targets.shape[1]
    return out


def textbook(setting: SpeedSetting) -> np.ndarray:
    members = setting.pool.members().numpy()
    return np.argsort(-scores(members, members[:, :TARGETS]), kind="stable")[: setting.batch]


def total_information(setting: SpeedSetting, picks: np.ndarray) -> float:
    members = setting.pool.members().double().numpy()
    return float(scores(members[:, picks], members[:, :TARGETS]).sum())


def ours(setting: SpeedSetting) -> np.ndarray:
    members = setting.pool.members()
    return top_scores(epig(members, members[:, :TARGETS]), setting.batch).numpy()


CASE = Case(
    ours=ours,
    textbook=textbook,
    quality=total_information,
    quality_name="sum of the expected information gains (more is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
    largest=2000,  # N K² numbers for each target: 15 s there with 100 classes
    textbook_largest=2000,
)
