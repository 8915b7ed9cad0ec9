"""Label noise of one size on real values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Features, Setting, conditions
from labelbench_plus.conditions._values import deviation, with_noise


@conditions.register("value_noise")
@dataclass(frozen=True)
class ValueNoise(Condition):
    """Normal noise of one standard deviation is added to every answer.

    Parameters
    ----------
    level: its standard deviation, in standard deviations of the pool's true labels.
    """

    title = "Constant label noise"
    tasks = frozenset({"regression"})
    per_run = True

    level: Annotated[float, Ge(0)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"level": 0.3}

    def apply(self, setting: Setting, features: Features, rng: Generator) -> Setting:
        return with_noise(setting, self.level * deviation(setting) * rng.standard_normal(len(setting.answers)))
