"""Where sources come from: a finite list, or a region whose every point is one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelbench_plus.oracle import QueryError

EDGE = 1e-9  # how far outside a region rounding may put a point


@dataclass(frozen=True)
class Finite:
    """`size` sources with ids 0, 1, …; ψ of each is a row of `descriptors` (S, p), or one-hot if there are none."""

    size: int
    descriptors: np.ndarray | None = None

    def check(self, sources: Any) -> np.ndarray:
        """Ids as int64.

        Raises
        ------
        QueryError
            Not different ids of sources there are.
        """
        ids = np.asarray(sources)
        if ids.ndim != 1 or not (np.issubdtype(ids.dtype, np.integer) or ids.size == 0):
            raise QueryError(f"expected a vector of integer source ids, got shape {ids.shape} of {ids.dtype}")
        if len(outside := ids[(ids < 0) | (ids >= self.size)]):
            raise QueryError(f"expected source ids in 0..{self.size - 1}, got {outside[0]}")
        values, counts = np.unique(ids, return_counts=True)
        if len(repeated := values[counts > 1]):
            raise QueryError(f"expected different sources, but {repeated[0]} came more than once")
        return ids.astype(np.int64)

    def embed(self, sources: np.ndarray) -> np.ndarray:
        return np.eye(self.size)[sources] if self.descriptors is None else self.descriptors[sources]

    def key(self, source: Any) -> int:
        return int(source)


@dataclass(frozen=True)
class Region:
    """A region of task descriptors w (d,): every point is a source. Base of `Ball` and `Box`.

    Attributes
    ----------
    dimension: d.
    features: ψ, from rows w (n, d) to (n, p), in which the task's head is linear; the identity if None.
    """

    dimension: int
    features: Callable[[np.ndarray], np.ndarray] | None = None

    def outside(self, rows: np.ndarray) -> np.ndarray:
        """(n,) how far each row lies outside, at most zero within."""
        raise NotImplementedError

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, d) random points."""
        raise NotImplementedError

    def project(self, rows: np.ndarray) -> np.ndarray:
        """The nearest points of the region."""
        raise NotImplementedError

    def check(self, sources: Any) -> np.ndarray:
        """Rows (m, d) as float64.

        Raises
        ------
        QueryError
            Not different, finite points of the region.
        """
        rows = np.asarray(sources)
        if rows.ndim != 2 or rows.shape[1] != self.dimension or not np.issubdtype(rows.dtype, np.floating):
            raise QueryError(
                f"expected descriptors (m, {self.dimension}) of sources as floats, got shape {rows.shape} of "
                f"{rows.dtype}"
            )
        rows = rows.astype(np.float64) + 0.0
        if not np.isfinite(rows).all():
            raise QueryError("expected finite descriptors, got NaN or infinity")
        if len(rows) and (far := float(self.outside(rows).max())) > EDGE:
            raise QueryError(
                f"expected descriptors within the {type(self).__name__.lower()}, got one {far:.3g} outside"
            )
        if len(np.unique(rows, axis=0)) < len(rows):
            raise QueryError("expected different sources, but a descriptor came more than once")
        return rows

    def embed(self, sources: np.ndarray) -> np.ndarray:
        return sources if self.features is None else self.features(sources)

    def key(self, source: Any) -> int:
        content = (np.asarray(source, dtype="<f8") + 0.0).tobytes()
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Ball(Region):
    """‖w‖ ≤ 1."""

    def outside(self, rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows, axis=1) - 1

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        rows = rng.standard_normal((count, self.dimension))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def project(self, rows: np.ndarray) -> np.ndarray:
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


@dataclass(frozen=True)
class Box(Region):
    """w in [−1, 1]^d."""

    def outside(self, rows: np.ndarray) -> np.ndarray:
        return np.abs(rows).max(axis=1) - 1

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-1, 1, (count, self.dimension))

    def project(self, rows: np.ndarray) -> np.ndarray:
        return np.clip(rows, -1, 1)


Space = Finite | Region
