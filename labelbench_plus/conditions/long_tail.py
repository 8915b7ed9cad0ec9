"""Class imbalance with a long tail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions, keep_pool
from labelbench_plus.reference import Reference


@conditions.register("long_tail")
@dataclass(frozen=True)
class LongTail(Condition):
    """Thin the pool's classes out exponentially: class k keeps a share ratio^(-k/(K-1)) (Cui et al., 2019, sec. 5).

    Validation and test set stay as they are, so read balanced accuracy beside accuracy.

    Parameters
    ----------
    ratio: how many times rarer the last class is than the first.
    """

    title = "Long tail"
    reference = Reference(("Cui", "others"), 2019)

    ratio: Annotated[float, Ge(1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"ratio": 5.0}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        num_classes = len(setting.class_names)
        keep = np.ones(len(setting.answers), dtype=bool)
        for label in range(num_classes):
            items = rng.permutation(np.flatnonzero(setting.pool.labels == label))
            share = self.ratio ** (-label / max(num_classes - 1, 1))
            keep[items[max(1, round(share * len(items))) :]] = False
        return keep_pool(setting, np.flatnonzero(keep))
