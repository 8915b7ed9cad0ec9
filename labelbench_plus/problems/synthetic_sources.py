"""Synthetic source tasks: linear tasks of known heads that share a low-dimensional representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.problems import Place, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import Samples, SourceModel
from labelbench_plus.source_tasks.instance import SourceInstance, Truth
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.papers import A_MTRL
from labelbench_plus.source_tasks.problem import SourceProblem, excess_scores
from labelbench_plus.source_tasks.space import Finite

GENERATOR_VERSION = 1
BLOCK = 64
TEST_SIZE = 2000
WEAK = 10  # sources of "rare" that are half the target


@problems.register("synthetic_sources")
@dataclass(frozen=True)
class SyntheticSources(SourceProblem):
    """y = (Bᵀx)ᵀ w_m + ε with x ~ N(0, I_d), B (d, k) orthonormal and ε ~ N(0, noise²); the truth differs by seed.

    Parameters
    ----------
    heads: how the sources' heads and the target's are drawn.
        "rare": the target is e_k; one source equals it, ten are half of it, all others lie in the other dimensions.
        "aligned": random unit heads; the target is the first source's. "generic": random unit heads, the target too.
        "identity": k sources e_1, …, e_k and a target equally made of all, where no allocation beats the even one.
    dimension, rank, sources: d, k and M ("identity" has M = k).
    target_labels: labels of the target that everybody has.
    prices, opening: ranges from which each source's price of a label and its opening price are drawn uniformly.

    Scores: `excess_risk` and, with the head refitted on noise-free values, `representation_excess`: both exact for
    linear models, as the test inputs have exactly the identity as their second moment.

    Source: generators of our own in the setting of Chen, Jamieson, Du (ICML 2022) and Wang, Chen, Jamieson, Du
    (ICML 2023).
    """

    title = "Synthetic source tasks"
    reference = A_MTRL
    task = "source_tasks"
    provides = frozenset({"true_heads"})

    heads: Literal["rare", "aligned", "generic", "identity"]
    dimension: Annotated[int, Ge(2)] = 40
    rank: Annotated[int, Ge(1)] = 5
    sources: Annotated[int, Ge(1)] = 50
    noise: Annotated[float, Ge(0)] = 1.0
    target_labels: Annotated[int, Ge(1)] = 300
    prices: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (1.0, 1.0)
    opening: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (0.0, 0.0)

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"heads": "generic", "dimension": 12, "rank": 3, "sources": 8}

    def __post_init__(self) -> None:
        if self.rank > self.dimension:
            raise ValueError(f"rank {self.rank} is more than the dimension {self.dimension}")
        if self.heads == "rare" and (self.rank < 2 or self.sources < WEAK + self.rank):
            raise ValueError(f"'rare' needs a rank of at least 2 and at least {WEAK} + rank sources")
        if self.heads == "identity" and self.sources != self.rank:
            raise ValueError(f"'identity' has as many sources as dimensions: write sources: {self.rank}")
        for name, (low, high) in (("prices", self.prices), ("opening", self.opening)):
            if low > high:
                raise ValueError(f"{name}: write the smaller number first, got {low} and {high}")

    def fingerprint(self) -> str:
        return f"synthetic sources {GENERATOR_VERSION}"

    def max_price(self) -> float:
        return self.prices[1] + self.opening[1]

    def open(self, place: Place, streams: Streams) -> SourceInstance:
        basis, heads, target = self.truth(streams)
        regressions, noise, width = (basis @ heads).T, self.noise, self.dimension

        def draw(source: int, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            inputs, labels = np.empty((blocks * BLOCK, width)), np.empty(blocks * BLOCK)
            for number in range(blocks):
                rng = streams.round(source).round(first + number).rng("source labels")
                rows = slice(number * BLOCK, (number + 1) * BLOCK)
                inputs[rows] = rng.standard_normal((BLOCK, width))
                labels[rows] = inputs[rows] @ regressions[source] + noise * rng.standard_normal(BLOCK)
            return inputs, labels

        rng = streams.rng("target labels")
        known = rng.standard_normal((self.target_labels, width))
        values = known @ (basis @ target) + noise * rng.standard_normal(self.target_labels)
        tests = isotropic(TEST_SIZE, width, streams.rng("target test"))
        answers = tests @ (basis @ target)

        def score(model: SourceModel) -> dict[str, float]:
            return excess_scores(model, [(tests, answers)])

        terms = streams.rng("prices")
        prices, opening = (terms.uniform(*limits, self.sources) for limits in (self.prices, self.opening))
        return SourceInstance(
            SourceOracle(Finite(self.sources), draw, BLOCK, prices, opening),
            (Samples(known, values),),
            self.rank,
            score,
            np.arange(self.sources),
            Truth(target_heads=target[:, None], source_heads=heads, task_map=heads),
        )

    def truth(self, streams: Streams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """B (d, k), the sources' heads (k, M) and the target's (k,) of a run."""
        rng, rank, count = streams.rng("truth"), self.rank, self.sources
        basis = np.linalg.qr(rng.standard_normal((self.dimension, rank)))[0]
        if self.heads == "identity":
            return basis, np.eye(rank), np.full(rank, rank**-0.5)
        if self.heads == "rare":
            heads = np.zeros((rank, count))
            heads[-1, 0], heads[-1, 1 : WEAK + 1] = 1.0, 0.5
            heads[:-1, WEAK + 1 :] = _unit(rng.standard_normal((rank - 1, count - WEAK - 1)))
            return basis, heads, np.eye(rank)[-1]
        heads = _unit(rng.standard_normal((rank, count)))
        return basis, heads, heads[:, 0] if self.heads == "aligned" else _unit(rng.standard_normal((rank, 1)))[:, 0]


def isotropic(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(count, width) nearly normal rows whose second moment is exactly the identity."""
    rows = rng.standard_normal((max(count, 2 * width), width))
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    return np.asarray(rows @ (vectors / np.sqrt(values)) @ vectors.T)


def _unit(columns: np.ndarray) -> np.ndarray:
    return columns / np.linalg.norm(columns, axis=0)
