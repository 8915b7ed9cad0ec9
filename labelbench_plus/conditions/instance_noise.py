"""Label noise that depends on what an item looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from labelbench_plus.conditions import OUTLIER, Condition, Setting, conditions, with_answers
from labelbench_plus.reference import Reference

SPREAD = 0.1


@conditions.register("instance_noise")
@dataclass(frozen=True)
class InstanceNoise(Condition):
    """Each item has its own rate of wrong answers, and its features say which wrong answer is likely.

    Rates are drawn from a normal distribution around `rate` with standard deviation 0.1, truncated to [0, 1]; the
    wrong class is drawn from the softmax of the features times a random matrix of the item's class, which is the
    construction of Xia et al. (2020, algorithm 2).

    Parameters
    ----------
    rate: centre of the items' rates of wrong answers.
    """

    title = "Instance-dependent label noise"
    reference = Reference(("Xia", "others"), 2020)
    per_run = True

    rate: Annotated[float, Interval(ge=0, lt=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"rate": 0.2}

    def apply(self, setting: Setting, features: Callable[[], np.ndarray], rng: Generator) -> Setting:
        from scipy.special import softmax
        from scipy.stats import truncnorm

        x, num_classes = features(), len(setting.class_names)
        low, high = -self.rate / SPREAD, (1 - self.rate) / SPREAD
        rates = truncnorm.rvs(low, high, loc=self.rate, scale=SPREAD, size=len(x), random_state=rng)
        wrong = np.zeros(len(x), dtype=np.int64)
        for label in range(num_classes):
            items = np.flatnonzero(setting.answers == label)
            scores = x[items].astype(np.float64) @ rng.standard_normal((x.shape[1], num_classes))
            scores[:, label] = -np.inf
            cumulative = softmax(scores, axis=1).cumsum(axis=1)
            wrong[items] = (rng.random((len(items), 1)) > cumulative).sum(axis=1).clip(max=num_classes - 1)
        flipped = (rng.random(len(x)) < rates) & (setting.answers != OUTLIER) & (self.rate > 0)
        return with_answers(setting, flipped, wrong)
