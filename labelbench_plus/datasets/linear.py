"""A linear function with constant noise: where what designs for linear models promise can be expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._generated import SEED, generated
from labelbench_plus.seeding import Streams

DECIMALS = 6  # of inputs and values, so that matrix products that round differently make the same data


@datasets.register("linear")
@dataclass(frozen=True)
class Linear(Dataset):
    """w · x with normal noise of one size everywhere: a linear model is right, and designs for it know what they do.

    x has `dimensions` uncorrelated coordinates along axes turned at random, of standard deviations from 1 down to
    1 / `stretch`, and a multivariate t distribution: some items lie far out and say much. Each coordinate has an equal
    share in the variance of w · x, which is 1. Drawn once, the same for every run.

    Parameters
    ----------
    dimensions: of the inputs.
    stretch: standard deviation along the longest axis over that along the shortest; in between it falls geometrically.
    tails: degrees of freedom of the t distribution; the smaller, the heavier its tails.
    noise: standard deviation of the noise.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: linear, dimensions: 20, noise: 0.3}
    """

    title = "A linear function"

    dimensions: Annotated[int, Ge(1)] = 20
    stretch: Annotated[float, Ge(1)] = 10.0
    tails: Annotated[float, Gt(2)] = 5.0
    noise: Annotated[float, Ge(0)] = 0.3
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 200
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 100, "validation": 20, "test": 100}

    def load(self) -> LabelledData:
        return generated("linear", self._draw, self.pool, self.validation, self.test)

    def weights(self) -> np.ndarray:
        """(dimensions,) w, the truth."""
        axes, deviations, signs = self._world()
        return np.asarray(axes @ (signs / deviations) / self.dimensions**0.5)

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        axes, deviations, _ = self._world()
        far = np.sqrt((self.tails - 2) / rng.chisquare(self.tails, (size, 1)))  # of a t with variance 1
        x = ((far * deviations * rng.standard_normal((size, self.dimensions))) @ axes.T).round(DECIMALS)
        return x, (x @ self.weights() + self.noise * rng.standard_normal(size)).round(DECIMALS)

    def _world(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The axes (d, d), one a column, the standard deviations (d,) along them, and the signs (d,) of the slopes."""
        rng = Streams(SEED).rng("linear world")
        axes = np.linalg.qr(rng.standard_normal((self.dimensions, self.dimensions)))[0]
        return axes, np.geomspace(1, 1 / self.stretch, self.dimensions), rng.choice([-1.0, 1.0], self.dimensions)

    def fingerprint(self) -> str:
        return fingerprint(self)
