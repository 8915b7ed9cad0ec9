"""What trainers of source-task selection are shown, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Samples:
    """Inputs (n, ...) and labels (n,) of one task."""

    inputs: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class SourceTaskData:
    """What a trainer may learn from.

    Attributes
    ----------
    sources: what was bought of each: of every source of a finite list, in the order of ids (nothing of some), or of
        those bought from on a continuous space.
    descriptors: (J, p), ψ of each of `sources`; None where sources have no descriptors, only heads of their own.
    targets: the few labels of each target, which are part of the problem.
    rank: k, the dimension of the representation.
    """

    sources: tuple[Samples, ...]
    descriptors: np.ndarray | None
    targets: tuple[Samples, ...]
    rank: int


class SourceModel(Protocol):
    """A representation φ with a head for every source and target: f_m(x) = φ(x)ᵀ (A ψ_m)."""

    @property
    def task_map(self) -> np.ndarray:
        """A (k, p). Where sources have no descriptors ψ is one-hot and its columns are the sources' heads."""

    @property
    def target_heads(self) -> np.ndarray:
        """(k, T), fitted to the targets' labels with φ held fixed."""

    @property
    def target_variance(self) -> np.ndarray:
        """(T,) residual variance of the targets' fits."""

    @property
    def sources_opened(self) -> int:
        """How many sources it learned from."""

    def representation(self, inputs: np.ndarray) -> np.ndarray:
        """φ, from inputs (n, ...) to (n, k)."""


def fit_heads(
    representations: list[np.ndarray], labels: list[np.ndarray], ridge: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of each task on its frozen representation; `ridge` · ‖head‖² is added for every example.

    Returns
    -------
    Heads (k, T) and residual variances (T,), with n − k degrees of freedom where there are any.
    """
    heads, variances = [], []
    for features, answers in zip(representations, labels, strict=True):
        count, width = features.shape
        if ridge:
            head = np.linalg.solve(features.T @ features + ridge * count * np.eye(width), features.T @ answers)
        else:
            head = np.linalg.lstsq(features, answers, rcond=1e-10)[0]
        heads.append(head)
        variances.append(float(((features @ head - answers) ** 2).sum()) / max(count - width, 1))
    return np.stack(heads, axis=1), np.array(variances)
