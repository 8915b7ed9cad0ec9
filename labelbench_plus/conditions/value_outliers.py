"""Answers that are far off, now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Interval
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Features, Setting, conditions
from labelbench_plus.conditions._values import deviation, with_noise


@conditions.register("value_outliers")
@dataclass(frozen=True)
class ValueOutliers(Condition):
    """With probability `rate`, heavy-tailed noise is added to an answer: of Student's t distribution.

    Parameters
    ----------
    rate: share of answers that are off.
    level: scale of the noise, in standard deviations of the pool's true labels.
    freedom: degrees of freedom: 1 has no mean, 2 no variance, many are normal.
    """

    title = "Heavy-tailed label noise"
    tasks = frozenset({"regression"})
    per_run = True

    rate: Annotated[float, Interval(ge=0, lt=1)]
    level: Annotated[float, Ge(0)] = 3.0
    freedom: Annotated[float, Gt(0)] = 2.0

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"rate": 0.1}

    def apply(self, setting: Setting, features: Features, rng: Generator) -> Setting:
        off = rng.random(len(setting.answers)) < self.rate
        noise = self.level * deviation(setting) * rng.standard_t(self.freedom, len(setting.answers))
        return with_noise(setting, off * noise)
