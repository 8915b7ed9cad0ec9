"""Labels that cost differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions


@conditions.register("random_prices")
@dataclass(frozen=True)
class RandomPrices(Condition):
    """Price every item at random between 1 and `highest`, uniform in the logarithm and independent of everything.

    Prices are public, so they must not depend on the label. Real prices come with the data (`pool_prices` of `arrays`).

    Parameters
    ----------
    highest: the highest possible price.
    """

    title = "Random prices"
    tasks = frozenset({"classification", "regression"})

    highest: Annotated[float, Ge(1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"highest": 4.0}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        return replace(setting, prices=self.highest ** rng.random(len(setting.answers)))
