"""Power acquisition on entropies: rows drawn in proportion to their score."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from benchmarks.speed.cases.entropy import entropies, total_entropy
from labelbench_plus.algorithms.stochastic_batch import power_acquisition
from labelbench_plus.algorithms.uncertainty import entropy


def textbook(setting: SpeedSetting) -> np.ndarray:
    """One draw after the other, without replacement."""
    mass = entropies(setting.pool.probabilities.numpy()).astype(np.float64)
    return np.random.default_rng(setting.seed).choice(len(mass), setting.batch, replace=False, p=mass / mass.sum())


CASE = Case(
    ours=lambda s: power_acquisition(entropy(s.pool.probabilities), s.batch, np.random.default_rng(s.seed)),
    textbook=textbook,
    quality=total_entropy,
    quality_name="sum of the entropies (random; neither way is better)",
    same_picks=False,
    axes=frozenset({"K", "B"}),
)
