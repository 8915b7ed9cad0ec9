"""Label noise that hits every class alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Setting, conditions, with_answers


@conditions.register("uniform_noise")
@dataclass(frozen=True)
class UniformNoise(Condition):
    """With probability `rate`, the answer bought is one of the other classes, each as likely.

    Parameters
    ----------
    rate: share of wrong answers expected.
    """

    title = "Uniform label noise"
    per_run = True

    rate: Annotated[float, Interval(ge=0, lt=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"rate": 0.2}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        num_classes, size = len(setting.class_names), len(setting.answers)
        flipped = rng.random(size) < self.rate
        wrong = (setting.answers + rng.integers(1, num_classes, size)) % num_classes
        return with_answers(setting, flipped, wrong)
