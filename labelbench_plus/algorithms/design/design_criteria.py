"""The criteria of optimal design as concave functions of the information matrix, their curvature and dual bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import exp, inf, log1p

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import inverse_root

_SHARPER = 0.2  # by how much the smoothing of E shrinks at a time


class DesignCriterion(ABC):
    """A criterion as the solver sees it: a concave score of M to maximise, linearised and curved at the current M."""

    sense: int  # 1 if the objective is maximised, −1 if minimised

    @abstractmethod
    def objective(self, information: Tensor) -> float:
        """The criterion as the certificate reports it."""

    @abstractmethod
    def efficiency(self, objective: float, bound: float) -> float:
        """How much of the bound the objective certainly reaches, in (0, 1]."""

    @abstractmethod
    def score(self, information: Tensor) -> float:
        """The concave function maximised; −∞ outside its domain."""

    @abstractmethod
    def expand(self, information: Tensor) -> None:
        """Move to this M; the next three speak of it."""

    @abstractmethod
    def root(self) -> Tensor:
        """The matrix W such that the score's derivative along xx' is ‖Wx‖²."""

    @abstractmethod
    def curvature(self, rows: Tensor) -> Tensor:
        """The negative second derivatives of the score along pairs of rows, (m, m)."""

    @abstractmethod
    def bound(self, gap: float) -> float:
        """Dual bound of the objective, given Frank–Wolfe's gap of the score."""

    def sharpen(self, gap: float, tolerance: float) -> bool:
        """Bring the score closer to the objective if its own optimum is near; whether it changed."""
        return False


class LogDeterminant(DesignCriterion):
    """log det M."""

    sense = 1

    def objective(self, information: Tensor) -> float:
        return float(torch.linalg.slogdet(information).logabsdet)

    def efficiency(self, objective: float, bound: float) -> float:
        return min(1.0, exp((objective - bound) / self.dimension))

    def score(self, information: Tensor) -> float:
        factor, failed = torch.linalg.cholesky_ex(information)
        return -inf if int(failed) else 2 * float(factor.diagonal().log().sum())

    def expand(self, information: Tensor) -> None:
        self.dimension = max(1, len(information))
        self.value = self.score(information)
        self.half = inverse_root(information)

    def root(self) -> Tensor:
        return self.half

    def curvature(self, rows: Tensor) -> Tensor:
        mapped = rows @ self.half.T
        return (mapped @ mapped.T).square_()

    def bound(self, gap: float) -> float:
        return self.value + self.dimension * log1p(gap / self.dimension)


class TraceOfInverse(DesignCriterion):
    """tr(M⁻¹T), to be minimised; `moment` None stands for T = I."""

    sense = -1

    def __init__(self, moment: Tensor | None) -> None:
        self.moment = moment

    def objective(self, information: Tensor) -> float:
        return -self.score(information)

    def efficiency(self, objective: float, bound: float) -> float:
        return 1.0 if objective <= bound else bound / objective

    def score(self, information: Tensor) -> float:
        factor, failed = torch.linalg.cholesky_ex(information)
        if int(failed):
            return -inf
        inverse = torch.cholesky_inverse(factor)
        return -float(inverse.trace() if self.moment is None else (inverse * self.moment).sum())

    def expand(self, information: Tensor) -> None:
        self.value = self.objective(information)
        half = inverse_root(information)
        self.inverse = half.T @ half
        self.weighted = self.inverse if self.moment is None else moment_root(self.moment) @ self.inverse

    def root(self) -> Tensor:
        return self.weighted

    def curvature(self, rows: Tensor) -> Tensor:
        mapped = rows @ self.weighted.T
        return (rows @ self.inverse @ rows.T).mul_(mapped @ mapped.T).mul_(2)

    def bound(self, gap: float) -> float:
        return self.value**2 / (self.value + gap) if self.value > 0 else self.value


class SmallestEigenvalue(DesignCriterion):
    """λ_min(M), smoothed to max over t < λ_min of t + μ log det(M − tI)."""

    sense = 1

    def __init__(self) -> None:
        self.smoothing = 0.0  # μ; set by the first M

    def objective(self, information: Tensor) -> float:
        return float(torch.linalg.eigvalsh(information)[0])

    def efficiency(self, objective: float, bound: float) -> float:
        return min(1.0, objective / bound)

    def score(self, information: Tensor) -> float:
        eigenvalues = torch.linalg.eigvalsh(information)
        if float(eigenvalues[0]) <= 0:
            return -inf
        level = self._level(eigenvalues)
        return level + self.smoothing * float((eigenvalues - level).log().sum())

    def expand(self, information: Tensor) -> None:
        eigenvalues, vectors = torch.linalg.eigh(information)
        self.lowest = float(eigenvalues[0])
        self.dimension = len(eigenvalues)
        self.smoothing = self.smoothing or self.lowest / self.dimension
        shares = self.smoothing / (eigenvalues - self._level(eigenvalues))  # of Z; they sum to one
        self.shares = shares / shares.sum()
        self.vectors = vectors
        self.value = float(self.shares @ eigenvalues)

    def _level(self, eigenvalues: Tensor) -> float:
        """The t at which Σ μ / (λ − t) = 1, by bisection."""
        low = float(eigenvalues[0]) - self.smoothing * len(eigenvalues)
        high = float(eigenvalues[0]) - self.smoothing
        while True:
            middle = (low + high) / 2
            if not low < middle < high:
                return low
            if self.smoothing * float((1 / (eigenvalues - middle)).sum()) < 1:
                low = middle
            else:
                high = middle

    def root(self) -> Tensor:
        return (self.vectors * self.shares.sqrt()).T

    def curvature(self, rows: Tensor) -> Tensor:
        mapped = rows @ self.root().T
        # The level t follows M: that takes a rank-one term off the curvature at fixed t.
        follows = (mapped.square() @ self.shares) / self.shares.norm()
        return (mapped @ mapped.T).square_().sub_(torch.outer(follows, follows)).div_(self.smoothing)

    def bound(self, gap: float) -> float:
        return self.value + gap

    def sharpen(self, gap: float, tolerance: float) -> bool:
        least = _SHARPER * tolerance * self.lowest / self.dimension
        if gap > self.smoothing * self.dimension / 2 or self.smoothing <= least:
            return False
        self.smoothing = max(_SHARPER * self.smoothing, least)
        return True


def moment_root(moment: Tensor) -> Tensor:
    """Return R with R'R = T for a second moment T, singular or not."""
    values, vectors = torch.linalg.eigh(moment)
    return (vectors * values.clamp(min=0).sqrt()).T
