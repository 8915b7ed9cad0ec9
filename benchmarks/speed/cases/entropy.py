"""Entropy sampling: the rows whose predicted distribution is widest."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.uncertainty import entropy, top_scores


def entropies(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))).sum(axis=1)


def textbook(setting: SpeedSetting) -> np.ndarray:
    return np.argsort(-entropies(setting.pool.probabilities.numpy()), kind="stable")[: setting.batch]


def total_entropy(setting: SpeedSetting, picks: np.ndarray) -> float:
    return float(entropies(setting.pool.probabilities.numpy()[picks].astype(np.float64)).sum())


def modal(setting: SpeedSetting) -> np.ndarray:
    from modAL.uncertainty import entropy_sampling

    class Given:
        """Answers with the given predictions."""

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return setting.pool.probabilities.numpy()

    return entropy_sampling(Given(), setting.pool.features.numpy(), n_instances=setting.batch)[0]


CASE = Case(
    ours=lambda s: top_scores(entropy(s.pool.probabilities), s.batch),
    textbook=textbook,
    quality=total_entropy,
    quality_name="sum of the entropies (more is better)",
    same_picks=True,
    axes=frozenset({"K", "B"}),
    rivals={"modAL": Rival(modal)},
)
