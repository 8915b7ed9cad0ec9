"""A sine whose labels are noisier on one side than on the other."""

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


@datasets.register("heteroscedastic_sine")
@dataclass(frozen=True)
class HeteroscedasticSine(Dataset):
    """sin(2π `periods` x) with x uniform in 0..1 and normal noise whose standard deviation grows with x.

    It is `quiet` at 0 and `loud` at 1, linear in between: strategies that chase errors or variance buy noise. Drawn
    once, the same for every run.

    Parameters
    ----------
    quiet, loud: standard deviation of the noise at x = 0 and at x = 1.
    periods: of the sine.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: heteroscedastic_sine, quiet: 0.02, loud: 0.5}
    """

    title = "A sine with growing noise"

    quiet: Annotated[float, Ge(0)] = 0.02
    loud: Annotated[float, Ge(0)] = 0.5
    periods: Annotated[float, Gt(0)] = 1.0
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 200
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 100, "validation": 20, "test": 100}

    def load(self) -> LabelledData:
        return generated("heteroscedastic sine", self._draw, self.pool, self.validation, self.test)

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((size, 1))
        deviation = self.quiet + (self.loud - self.quiet) * x[:, 0]
        return x, np.sin(2 * np.pi * self.periods * x[:, 0]) + deviation * rng.standard_normal(size)

    def fingerprint(self) -> str:
        return fingerprint(self)
