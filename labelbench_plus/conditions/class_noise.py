"""Label noise that confuses each class with its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions, with_answers
from labelbench_plus.reference import Reference


@conditions.register("class_noise")
@dataclass(frozen=True)
class ClassNoise(Condition):
    """With probability `rate`, the answer bought is the next class (Patrini et al., 2017, "pair flipping").

    Parameters
    ----------
    rate: share of wrong answers expected in each class.
    """

    title = "Class-dependent label noise"
    reference = Reference(("Patrini", "others"), 2017)
    per_run = True

    rate: Annotated[float, Interval(ge=0, lt=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"rate": 0.2}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        flipped = rng.random(len(setting.answers)) < self.rate
        return with_answers(setting, flipped, (setting.answers + 1) % len(setting.class_names))
