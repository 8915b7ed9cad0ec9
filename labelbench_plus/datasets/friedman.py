"""Friedman's three functions: what nonlinear regression is tried on since 1991."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.random import Generator

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._generated import generated
from labelbench_plus.reference import Reference

NOISE = {1: 1.0, 2: 125.0, 3: 0.1}
DISTRACTORS = 5


@datasets.register("friedman")
@dataclass(frozen=True)
class Friedman(Dataset):
    """Values of a smooth function of four or five inputs, with normal noise. Drawn once, the same for every run.

    1: 10 sin(π x₁ x₂) + 20 (x₃ − 1/2)² + 10 x₄ + 5 x₅, with five more inputs that say nothing; all uniform in 0..1.
    2: √(x₁² + (x₂ x₃ − 1 / (x₂ x₄))²), an impedance, with x₁ in 0..100, x₂ in 40π..560π, x₃ in 0..1, x₄ in 1..11.
    3: arctan((x₂ x₃ − 1 / (x₂ x₄)) / x₁), its phase, of the same inputs. NumPy rounds arctan2 differently where a
        processor has AVX-512, so that some values differ in their last bit there and runs have other ids.

    Parameters
    ----------
    function: which of the three.
    noise: standard deviation of the noise; by default 1, 125 and 0.1, a third of the functions' own in the last two.
    pool, validation, test: how many examples each part has.

    Example
    -------
    dataset: {name: friedman, function: 1, pool: 1000, test: 1000}
    """

    title = "Friedman's functions"
    reference = Reference(("Friedman",), 1991, "Multivariate adaptive regression splines")

    function: Literal[1, 2, 3] = 1
    noise: Annotated[float, Ge(0)] | None = None
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 200
    test: Annotated[int, Gt(0)] = 1_000

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 140, "validation": 20, "test": 200}

    def dataset_name(self) -> str:
        return f"{self.name}_{self.function}"

    def varies_by_machine(self) -> str | None:
        return "NumPy rounds arctan2 differently where a processor has AVX-512" if self.function == 3 else None

    def load(self) -> LabelledData:
        return generated(f"friedman {self.function}", self._draw, self.pool, self.validation, self.test)

    def _draw(self, size: int, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((size, 5 + DISTRACTORS if self.function == 1 else 4))
        if self.function != 1:
            x = x * [100, 520 * np.pi, 1, 10] + [0, 40 * np.pi, 0, 1]
        noise = NOISE[self.function] if self.noise is None else self.noise
        return x, value(x, self.function) + noise * rng.standard_normal(size)

    def fingerprint(self) -> str:
        return fingerprint(self)


def value(x: np.ndarray, function: Literal[1, 2, 3]) -> np.ndarray:
    """(n,) the function without noise of inputs (n, d)."""
    if function == 1:
        return np.asarray(
            10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
        )
    reactance = x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])
    return np.asarray(np.hypot(x[:, 0], reactance) if function == 2 else np.arctan2(reactance, x[:, 0]))
