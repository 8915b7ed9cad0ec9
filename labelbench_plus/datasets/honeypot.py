"""A honeypot: a place where labels cannot be learned, and where a model is never sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Interval
from numpy.random import Generator

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._generated import generated


@datasets.register("honeypot")
@dataclass(frozen=True)
class Honeypot(Dataset):
    """Two classes on two arcs that a curve separates, and a small cloud between them whose labels are tossed.

    Strategies that ask where the model is least sure buy the cloud: no number of its labels makes a model surer. It is
    a trap for uncertainty in the manner of the one in CDALBench (arXiv 2408.00426), made anew. The test set has the
    arcs alone, so that what is scored can be learned. Drawn once, the same for every run.

    Parameters
    ----------
    share: of pool and validation part that lies in the cloud.
    spread: standard deviation of points around their arc, whose radius is 1.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: honeypot, share: 0.3}
    """

    title = "Honeypot"

    share: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    spread: Annotated[float, Ge(0)] = 0.15
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 100
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 100, "validation": 20, "test": 100}

    def load(self) -> LabelledData:
        data = generated("honeypot", self._draw, self.pool, self.validation, self.test, ("upper", "lower"))
        clean = generated("honeypot arcs", self._arcs, self.pool, self.validation, self.test, ("upper", "lower"))
        return LabelledData(data.pool, data.validation, clean.test, data.class_names)

    def _arcs(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        labels, angle = rng.integers(2, size=size), np.pi * rng.random(size)
        upper = np.column_stack([np.cos(angle), np.sin(angle)])
        arcs = np.where(labels[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
        return arcs + self.spread * rng.standard_normal((size, 2)), labels

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        inputs, labels = self._arcs(size, rng)
        cloud = rng.random(size) < self.share
        inputs[cloud] = np.array([0.5, 0.25]) + self.spread / 2 * rng.standard_normal((int(cloud.sum()), 2))
        labels[cloud] = rng.integers(2, size=int(cloud.sum()))
        return inputs, labels

    def fingerprint(self) -> str:
        return fingerprint(self)
