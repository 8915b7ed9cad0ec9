"""A test set that lies elsewhere than the pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Interval
from numpy.random import Generator

from labelbench_plus.conditions import Condition, Features, Part, Setting, conditions
from labelbench_plus.reference import Reference


@conditions.register("covariate_shift")
@dataclass(frozen=True)
class CovariateShift(Condition):
    """Keep a share of the test set, drawn so that it leans to one side of the pool; labels are unchanged.

    An example is drawn with a weight of exp(`strength` · z), where z is where it lies along a direction between two of
    the pool's items, drawn for each run, in standard deviations of the pool. Pool and validation part stay. This is the
    setting of Shimodaira (2000): the inputs' distribution changes, the labels' dependence on them does not.

    Parameters
    ----------
    strength: how far it leans; 0 is a smaller test set.
    share: of the test set that is kept.
    """

    title = "Covariate shift"
    reference = Reference(
        ("Shimodaira",), 2000, "Improving predictive inference under covariate shift by weighting the log-likelihood "
        "function"
    )  # fmt: skip
    tasks = frozenset({"classification", "regression"})
    per_run = True

    strength: Annotated[float, Ge(0)]
    share: Annotated[float, Interval(gt=0, le=1)] = 0.5

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"strength": 2.0}

    def apply(self, setting: Setting, features: Features, rng: Generator) -> Setting:
        pool, test = (features(part).astype(np.float64) for part in ("pool", "test"))
        direction = pool[0] - pool[0] if len(pool) < 2 else np.subtract(*pool[rng.choice(len(pool), 2, replace=False)])
        along, deviation = test @ direction, (pool @ direction).std()
        scores = self.strength * along / deviation if deviation > 0 else np.zeros(len(test))
        # The largest of scores with Gumbel noise are a weighted draw without replacement.
        drawn = np.argsort(-(scores + rng.gumbel(size=len(test))), kind="stable")
        kept = np.sort(drawn[: max(1, round(self.share * len(test)))])
        return replace(setting, test=Part(setting.test.rows[kept], setting.test.labels[kept]))
