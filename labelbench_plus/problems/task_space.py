"""A whole space of synthetic tasks, any of which can be asked: the learner chooses w and gets labels of f(·, w)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.problems import Place, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.data import Samples, SourceModel
from labelbench_plus.source_tasks.instance import SourceInstance, Truth, whitening
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.papers import TASK_SPACE
from labelbench_plus.source_tasks.problem import SourceProblem, excess_scores
from labelbench_plus.source_tasks.space import Ball, Box, Finite, Space
from labelbench_plus.source_tasks.view import TRUE_HEADS, TRUE_MAP

GENERATOR_VERSION = 1
BLOCK = 64
STANDARDISING = 20_000  # draws behind the mean and scale of what is standardised

InputDraw = Callable[[int, np.random.Generator], np.ndarray]


@problems.register("task_space")
@dataclass(frozen=True)
class TaskSpace(SourceProblem):
    """y = φ(x)ᵀ B w + ε with ε ~ N(0, noise²): every w of a region is a source, heads are linear in w.

    B is (k, tasks). Most of its columns are nearly alike, so that asking basis tasks one by one tells little about some
    directions. The target's head is one that the first basis task has too; its labels alone tell about it.

    Parameters
    ----------
    inputs: what φ is. "bilinear": k orthonormal combinations of `dimension` uniform inputs. "fourier": the same of 200
        random cosine features of them, standardised, which is what trainers see. "network": a ReLU network with one
        hidden layer of 10 units, standardised.
    space: "ball": ‖w‖ ≤ 1. "box": [−1, 1]. "finite": `candidates` random unit vectors.
    dimension, rank, tasks: of x, of φ and of w.
    target_labels: labels of the target that everybody has.
    candidates: random tasks, of a finite space or for passive learners.
    features: random cosine features, where `inputs` are such.
    matrix_seed: seed of B; the run's own if null.

    Passive learners ask the basis tasks of the ball, or `candidates` random ones of the box.

    Source: the synthetic settings in the authors' program of Chen, Huang, Du, Jamieson, Shi (NeurIPS 2023): B as there.
    Unlike there, passive and active tasks come from the same region; passive ones were drawn from a cube whose
    corners are five times as long.
    """

    title = "Synthetic task space"
    reference = TASK_SPACE
    task = "task_space"
    provides = frozenset({"true_heads"})

    inputs: Literal["bilinear", "fourier", "network"]
    space: Literal["ball", "box", "finite"] = "ball"
    dimension: Annotated[int, Ge(2)] = 40
    rank: Annotated[int, Ge(1)] = 3
    tasks: Annotated[int, Ge(2)] = 23
    noise: Annotated[float, Ge(0)] = 1.0
    target_labels: Annotated[int, Ge(1)] = 2000
    test_size: Annotated[int, Ge(1)] = 10_000
    candidates: Annotated[int, Ge(1)] = 60
    features: Annotated[int, Ge(1)] = 200
    matrix_seed: Annotated[int, Ge(0)] | None = None

    @property
    def declares(self) -> tuple[Capability, ...]:  # type: ignore[override]
        return TRUE_HEADS if self.space == "finite" else TRUE_MAP

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"inputs": "bilinear", "dimension": 8, "tasks": 5, "target_labels": 100, "test_size": 200}

    def __post_init__(self) -> None:
        if self.rank > min(self.dimension, self.tasks):
            raise ValueError(f"rank {self.rank} is more than the dimension {self.dimension} or the tasks {self.tasks}")

    def fingerprint(self) -> str:
        return f"task space {GENERATOR_VERSION}"

    def open(self, place: Place, streams: Streams) -> SourceInstance:
        heads, target = task_heads(
            self.rank, self.tasks, streams.seed if self.matrix_seed is None else self.matrix_seed
        )
        see, represent = self._representation(streams)
        space = self._space(streams)

        def labelled(count: int, rng: np.random.Generator, head: np.ndarray, noise: float) -> Samples:
            inputs = see(count, rng)
            return Samples(inputs, represent(inputs) @ head + noise * rng.standard_normal(count))

        def draw(source: np.ndarray, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            head = heads @ space.embed(np.asarray(source)[None])[0]
            own = streams.round(space.key(source))
            parts = [
                labelled(BLOCK, own.round(number).rng("source labels"), head, self.noise)
                for number in range(first, first + blocks)
            ]
            return np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts])

        known = labelled(self.target_labels, streams.rng("target labels"), target, self.noise)
        test = labelled(self.test_size, streams.rng("target test"), target, 0.0)

        def score(model: SourceModel) -> dict[str, float]:
            return excess_scores(model, [(test.inputs, test.labels)])

        white = whitening(represent(test.inputs))
        source_heads = white @ heads @ space.embed(np.arange(space.size)).T if isinstance(space, Finite) else None
        return SourceInstance(
            SourceOracle(space, draw, BLOCK),
            (known,),
            self.rank,
            score,
            self._passive(space, streams),
            Truth((white @ target)[:, None], white @ heads, source_heads),
        )

    def _space(self, streams: Streams) -> Space:
        if self.space == "finite":
            return Finite(self.candidates, Ball(self.tasks).sample(self.candidates, streams.rng("candidates")))
        return Ball(self.tasks) if self.space == "ball" else Box(self.tasks)

    def _passive(self, space: Space, streams: Streams) -> np.ndarray:
        if isinstance(space, Finite):
            return np.arange(space.size)
        if isinstance(space, Ball):
            return np.eye(self.tasks)
        return space.sample(self.candidates, streams.rng("passive tasks"))

    def _representation(self, streams: Streams) -> tuple[InputDraw, Callable[[np.ndarray], np.ndarray]]:
        """How inputs are drawn, as trainers see them, and φ of them (n, k)."""
        rng = streams.rng("representation")

        def uniform(count: int, own: np.random.Generator) -> np.ndarray:
            return (own.random((count, self.dimension)) - 0.5) * 12**0.5

        if self.inputs == "network":
            first = rng.standard_normal((self.dimension, 10)) * (2 / self.dimension) ** 0.5
            bias = rng.standard_normal(10) * 0.5
            second = rng.standard_normal((10, self.rank))

            def network(inputs: np.ndarray) -> np.ndarray:
                return np.asarray(np.maximum(inputs @ first + bias, 0) @ second)

            mean, scale = _moments(network(uniform(STANDARDISING, rng)))
            return uniform, lambda inputs: (network(inputs) - mean) / scale
        if self.inputs == "bilinear":
            basis = np.linalg.qr(rng.standard_normal((self.dimension, self.rank)))[0]
            return uniform, lambda inputs: inputs @ basis
        frequencies = rng.standard_normal((self.dimension, self.features))
        phases = rng.uniform(0, 2 * np.pi, self.features)
        basis = np.linalg.qr(rng.standard_normal((self.features, self.rank)))[0]
        mean, scale = _moments(np.cos(uniform(STANDARDISING, rng) @ frequencies + phases))

        def cosines(count: int, own: np.random.Generator) -> np.ndarray:
            return np.asarray((np.cos(uniform(count, own) @ frequencies + phases) - mean) / scale)

        return cosines, lambda inputs: inputs @ basis


def task_heads(rank: int, tasks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """B (rank, tasks) and the target's head (rank,): unit columns, all after the first third of them nearly equal.

    The draws are those of the authors' program for that seed.
    """
    width = tasks + 1
    heads = np.random.RandomState(seed).rand(rank, width)
    heads[:, width // 3 :] = heads[:, [-1]]
    heads += 0.1 * np.random.RandomState(seed + 1000).rand(rank, width)
    heads[:, -1] = heads[:, 0]
    heads /= np.linalg.norm(heads, axis=0)
    return heads[:, :-1], heads[:, -1]


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=0), values.std(axis=0)
