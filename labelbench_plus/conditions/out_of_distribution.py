"""Items of no class in the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen
from numpy.random import Generator

from labelbench_plus.conditions import OUTLIER, Condition, Part, Setting, conditions, keep_pool


@conditions.register("out_of_distribution")
@dataclass(frozen=True)
class OutOfDistribution(Condition):
    """Take whole classes out of the task, and leave their items in the pool as outliers.

    Buying an outlier costs its price; the answer is that it belongs to no class.

    Parameters
    ----------
    classes: numbers of the classes that become outliers; the others are numbered anew.
    share: of the resulting pool that are outliers; items of either kind are dropped at random to reach it.
    """

    title = "Items of no class"

    classes: Annotated[tuple[int, ...], MinLen(1)]
    share: Annotated[float, Interval(gt=0, lt=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"classes": [3], "share": 0.2}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        old, gone = len(setting.class_names), set(self.classes)
        if not gone < set(range(old)) or old - len(gone) < 2:
            raise ValueError(
                f"out_of_distribution: classes {self.classes} must be in 0..{old - 1} and leave two others"
            )
        stay = [label for label in range(old) if label not in gone]
        renumbered = np.full(old + 1, OUTLIER)  # its last entry answers for -1, an earlier condition's outliers
        renumbered[stay] = np.arange(len(stay))

        def inliers(part: Part) -> Part:
            labels = renumbered[part.labels]
            return Part(part.rows[labels != OUTLIER], labels[labels != OUTLIER])

        changed = replace(
            setting,
            pool=Part(setting.pool.rows, renumbered[setting.pool.labels]),
            answers=renumbered[setting.answers],
            validation=inliers(setting.validation),
            test=inliers(setting.test),
            class_names=tuple(setting.class_names[label] for label in stay),
        )
        outside = rng.permutation(np.flatnonzero(changed.pool.labels == OUTLIER))
        inside = rng.permutation(np.flatnonzero(changed.pool.labels != OUTLIER))
        wanted = round(len(inside) * self.share / (1 - self.share))
        if wanted > len(outside):
            inside = inside[: round(len(outside) * (1 - self.share) / self.share)]
        return keep_pool(changed, np.sort(np.concatenate([outside[:wanted], inside])))
