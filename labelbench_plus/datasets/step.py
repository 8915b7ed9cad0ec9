"""A step: what no linear or smooth model fits."""

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


@datasets.register("step")
@dataclass(frozen=True)
class Step(Dataset):
    """1 where the first input is above `at`, else 0, with normal noise. Inputs are uniform in -1..1.

    Designs that trust a linear model sample the ends, where there is nothing to learn: a case against them. Drawn once,
    the same for every run.

    Parameters
    ----------
    dimensions: of the inputs, of which the first alone says something.
    at: where the step is.
    noise: standard deviation of the noise.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: step, dimensions: 2, at: 0.2}
    """

    title = "A step"

    dimensions: Annotated[int, Ge(1)] = 2
    at: Annotated[float, Gt(-1)] = 0.2
    noise: Annotated[float, Ge(0)] = 0.1
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 200
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 100, "validation": 20, "test": 100}

    def load(self) -> LabelledData:
        return generated("step", self._draw, self.pool, self.validation, self.test)

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(-1, 1, (size, self.dimensions))
        return x, (x[:, 0] > self.at) + self.noise * rng.standard_normal(size)

    def fingerprint(self) -> str:
        return fingerprint(self)
