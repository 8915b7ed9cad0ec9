"""Random rows, equally many of every predicted class."""

from __future__ import annotations

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting
from labelbench_plus.algorithms.class_balanced import class_balanced_random


def textbook(setting: SpeedSetting) -> np.ndarray:
    """Pick by pick: a random row of the class with the fewest picks that has rows left."""
    rng = np.random.default_rng(setting.seed)
    predicted = setting.pool.probabilities.numpy().argmax(axis=1)
    queues = [rng.permutation(np.flatnonzero(predicted == k)).tolist() for k in range(predicted.max() + 1)]
    counts = np.zeros(len(queues))
    picks = []
    for _ in range(setting.batch):
        open_classes = [k for k, queue in enumerate(queues) if queue]
        least = min(open_classes, key=lambda k: counts[k])
        picks.append(queues[least].pop())
        counts[least] += 1
    return np.array(picks)


def rarest(setting: SpeedSetting, picks: np.ndarray) -> float:
    classes = setting.pool.probabilities.shape[1]
    return float(np.bincount(setting.pool.probabilities.numpy()[picks].argmax(axis=1), minlength=classes).min())


CASE = Case(
    ours=lambda s: class_balanced_random(s.pool.probabilities.argmax(dim=1), s.batch, np.random.default_rng(s.seed)),
    textbook=textbook,
    quality=rarest,
    quality_name="picks of the rarest predicted class (more is better)",
    same_picks=False,
    axes=frozenset({"K", "B"}),
)
