"""A smaller pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions, keep_pool


@conditions.register("subset")
@dataclass(frozen=True)
class Subset(Condition):
    """Keep `size` items of the pool, drawn at random once for all runs.

    Parameters
    ----------
    size: of the pool that is left.
    """

    title = "Smaller pool"
    tasks = frozenset({"classification", "regression"})

    size: Annotated[int, Ge(1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"size": 80}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        if self.size > (available := len(setting.answers)):
            raise ValueError(f"subset: {self.size} items wanted, the pool has {available}")
        return keep_pool(setting, np.sort(rng.permutation(available)[: self.size]))
