"""Margin sampling: the rows whose two most probable classes are closest."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.uncertainty import margin, top_scores


def textbook(setting: SpeedSetting) -> np.ndarray:
    # The difference is taken in double precision, or rows would tie that do not.
    top = np.partition(setting.pool.probabilities.numpy(), -2, axis=1)[:, -2:].astype(np.float64)
    return np.argsort(top[:, 1] - top[:, 0], kind="stable")[: setting.batch]


def total_margin(setting: SpeedSetting, picks: np.ndarray) -> float:
    ordered = np.sort(setting.pool.probabilities.numpy()[picks].astype(np.float64), axis=1)
    return float((ordered[:, -1] - ordered[:, -2]).sum())


def small_text(setting: SpeedSetting) -> np.ndarray:
    from small_text import BreakingTies

    class Given:
        """Answers with the given predictions."""

        def predict_proba(self, dataset: np.ndarray) -> np.ndarray:
            return setting.pool.probabilities.numpy()

    scores = BreakingTies().get_confidence(Given(), setting.pool.features.numpy(), None, None, None)
    return np.argpartition(scores, setting.batch)[: setting.batch]


CASE = Case(
    ours=lambda s: top_scores(margin(s.pool.probabilities), s.batch, largest=False),
    textbook=textbook,
    quality=total_margin,
    quality_name="sum of the margins (less is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
    rivals={"small-text": Rival(small_text)},
)
