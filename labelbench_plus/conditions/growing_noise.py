"""Label noise that grows with the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Features, Setting, conditions
from labelbench_plus.conditions._values import with_noise


@conditions.register("growing_noise")
@dataclass(frozen=True)
class GrowingNoise(Condition):
    """Normal noise is added to every answer, with a standard deviation that is a share of the true label's size.

    That is an instrument whose error is so many per cent of what it shows. Labels around 0 stay nearly clean.

    Parameters
    ----------
    share: standard deviation of the noise over the absolute value of the true label.
    """

    title = "Label noise that grows with the label"
    tasks = frozenset({"regression"})
    per_run = True

    share: Annotated[float, Ge(0)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"share": 0.3}

    def apply(self, setting: Setting, features: Features, rng: Generator) -> Setting:
        size = np.abs(setting.pool.labels.astype(np.float64))
        return with_noise(setting, self.share * size * rng.standard_normal(len(size)))
