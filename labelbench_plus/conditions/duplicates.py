"""Exact duplicates in the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions, keep_pool


@conditions.register("duplicates")
@dataclass(frozen=True)
class Duplicates(Condition):
    """Overwrite a share of the pool with copies of other items: the size stays, the variety shrinks.

    Parameters
    ----------
    share: of the pool that becomes copies.
    """

    title = "Duplicates"
    tasks = frozenset({"classification", "regression"})

    share: Annotated[float, Interval(ge=0, lt=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"share": 0.2}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        size = len(setting.answers)
        order = rng.permutation(size)
        copies = round(self.share * size)
        items = np.arange(size)
        items[order[:copies]] = rng.choice(order[copies:], copies)
        return keep_pool(setting, items)
