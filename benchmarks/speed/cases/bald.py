"""BALD over an ensemble of eight."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.bald import bald
from labelbench_plus.algorithms.uncertainty import top_scores


def scores(members: np.ndarray) -> np.ndarray:
    """Mutual information of label and member, in the precision of the input."""
    tiny = np.finfo(np.float32).tiny
    mean = members.mean(axis=0)
    conditional = -(members * np.log(np.maximum(members, tiny))).sum(axis=2).mean(axis=0)
    return -(mean * np.log(np.maximum(mean, tiny))).sum(axis=1) - conditional


def textbook(setting: SpeedSetting) -> np.ndarray:
    return np.argsort(-scores(setting.pool.members().numpy()), kind="stable")[: setting.batch]


def total_information(setting: SpeedSetting, picks: np.ndarray) -> float:
    chosen = setting.pool.members()[:, torch.as_tensor(picks)]
    return float(scores(chosen.double().numpy()).sum())


def baal(setting: SpeedSetting) -> np.ndarray:
    from baal.active.heuristics import BALD

    return BALD()(setting.pool.members().permute(1, 2, 0).numpy())[: setting.batch].copy()


CASE = Case(
    ours=lambda s: top_scores(bald(s.pool.members()), s.batch),
    textbook=textbook,
    quality=total_information,
    quality_name="sum of the mutual informations (more is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
    largest=50_000,  # predictions of eight members for 100 classes take 160 MB
    rivals={"baal": Rival(baal)},
)
