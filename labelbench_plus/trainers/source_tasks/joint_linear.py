"""One linear representation shared by all sources, each with a head of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from labelbench_plus.algorithms.learners.shared_representation import moments, rank_for_energy, shared_representation
from labelbench_plus.source_tasks.data import SourceTaskData, fit_heads
from labelbench_plus.source_tasks.papers import A_MTRL
from labelbench_plus.source_tasks.view import HEADS
from labelbench_plus.trainers import Trainer, trainers

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams


@dataclass(frozen=True)
class LinearSharedModel:
    """φ(x) = Bᵀx with `basis` B (d, k) orthonormal; the rest as `SourceModel` says."""

    basis: np.ndarray
    task_map: np.ndarray
    target_heads: np.ndarray
    target_variance: np.ndarray
    sources_opened: int

    def representation(self, inputs: np.ndarray) -> np.ndarray:
        return np.asarray(inputs @ self.basis)


def fit_linear(data: SourceTaskData, rank: int | None, energy: float, ridge: float) -> LinearSharedModel:
    """Both fits: sources by alternating least squares, then each target's head with the representation frozen."""
    gathered = moments([(part.inputs, part.labels) for part in data.sources])
    if ridge:
        penalty = ridge * gathered.counts[:, None, None] * np.eye(gathered.gram.shape[1])
        gathered = replace(gathered, gram=gathered.gram + penalty)
    dimension = rank_for_energy(gathered, energy) if rank is None else rank
    found = shared_representation(gathered, dimension, data.descriptors)
    heads, variance = fit_heads(
        [part.inputs @ found.basis for part in data.targets], [part.labels for part in data.targets], ridge
    )
    opened = sum(len(part.labels) > 0 for part in data.sources)
    return LinearSharedModel(found.basis, found.task_map, heads, variance, opened)


@trainers.register("joint_linear")
@dataclass(frozen=True)
class JointLinear(Trainer):
    """Least squares over all sources' labels through one linear representation, by exact alternating steps.

    Every label has equal weight. The targets' heads are fitted last, with the representation frozen. Deterministic: no
    randomness, no step size, nothing carried over from the previous round.

    Parameters
    ----------
    choose_rank: take the smallest dimension whose spectral start keeps `energy` of the squared singular values,
        instead of the one that the problem gives.
    energy: the share that is kept then.
    ridge: an example of a task of regression β = B h adds ridge · ‖β‖² to the loss, of sources and targets alike.
        Coordinates of the representation do not matter to it.

    Source: the two fits of Chen, Jamieson, Du (ICML 2022); alternating least squares in place of their stochastic
    gradients is our choice.
    """

    title = "Joint representation, linear"
    reference = A_MTRL
    task = "source_tasks"
    provides = frozenset({"source_heads", "target_heads", "head_noise", "task_map"})
    declares = HEADS

    choose_rank: bool = False
    energy: Annotated[float, Gt(0), Le(1)] = 0.95
    ridge: Annotated[float, Ge(0)] = 0.0

    def fit(self, data: SourceTaskData, streams: Streams, previous: LinearSharedModel | None) -> LinearSharedModel:
        return fit_linear(data, None if self.choose_rank else data.rank, self.energy, self.ridge)
