"""Two sines that cross at first and part later: what is far apart is easy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._generated import generated


@datasets.register("diverging_sine")
@dataclass(frozen=True)
class DivergingSine(Dataset):
    """Points (x, y) on sin(x) and on -sin(x), which drift apart as x grows; the class says on which one a point lies.

    Where x is small the curves cross, and labels say much; where it is large they lie far apart, and a single label
    settles a region. Strategies that spread out over the inputs buy there: meant as a trap for geometry, like the one
    in CDALBench (arXiv 2408.00426), made anew. Drawn once, the same for every run.

    Parameters
    ----------
    reach: x is uniform in 0..reach.
    drift: how far each curve is shifted, up or down, at x = reach.
    noise: standard deviation of y.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: diverging_sine, reach: 12.0}
    """

    title = "Diverging sines"

    reach: Annotated[float, Gt(0)] = 15.0
    drift: Annotated[float, Ge(0)] = 8.0
    noise: Annotated[float, Ge(0)] = 0.1
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 100
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 100, "validation": 20, "test": 100}

    def load(self) -> LabelledData:
        return generated("diverging sine", self._draw, self.pool, self.validation, self.test, ("rising", "falling"))

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        labels, x = rng.integers(2, size=size), self.reach * rng.random(size)
        curve = np.sin(x) + self.drift * (x / self.reach) ** 2
        return np.column_stack([x, (1 - 2 * labels) * curve + self.noise * rng.standard_normal(size)]), labels

    def fingerprint(self) -> str:
        return fingerprint(self)
