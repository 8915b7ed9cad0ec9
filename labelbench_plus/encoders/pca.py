"""Principal components of the pool's inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import is_vectors, shown
from labelbench_plus.inputs.image_files import is_images
from labelbench_plus.reference import Reference

CHUNK_BYTES = 32 * 2**20


@encoders.register("pca")
@dataclass(frozen=True)
class PCA(Encoder):
    """Coordinates along the directions in which the pool's inputs vary most, largest first, not rescaled.

    Exact: eigenvectors of the (d, d) covariance, gathered and applied chunk by chunk in float64. Images are
    flattened and divided by 255, vectors are taken as they are. Each direction points to where its largest
    coordinate (the first of equal ones) is positive. One thread does the linear algebra, so that the features are
    the same however many there are. Time O(n d² + d³), memory O(d²) and a chunk.

    Parameters
    ----------
    dimensions: how many coordinates, at least 1 and at most as many as the pool's inputs vary in.

    Source: K. Pearson, On lines and planes of closest fit to systems of points in space (1901).
    """

    title = "Principal components"
    takes = frozenset({"images in memory", "vectors"})
    reference = Reference(("Pearson",), 1901, "On lines and planes of closest fit to systems of points in space")

    dimensions: Annotated[int, Field(ge=1)]

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"dimensions": 4}

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Find the directions.

        Raises
        ------
        ValueError
            More dimensions than the pool varies in; inputs that are neither images nor finite floats (n, d).
        """
        _check(pool_inputs)
        n, shape = len(pool_inputs), pool_inputs.shape[1:]
        mean = np.zeros(math.prod(shape))
        covariance = np.zeros((len(mean), len(mean)))
        with threadpool_limits(limits=1, user_api="blas"):
            for rows in _chunks(pool_inputs):
                mean += rows.sum(axis=0) / n
            if not np.isfinite(mean).all():
                raise ValueError("encoder 'pca': the pool's inputs must be finite")
            for rows in _chunks(pool_inputs):
                rows -= mean
                covariance += rows.T @ rows / n
            variances, directions = np.linalg.eigh(covariance)
        smallest = variances[-1] * max(n, len(mean)) * np.finfo(np.float64).eps
        available = int((variances > max(smallest, 0.0)).sum())
        if not 1 <= self.dimensions <= available:
            raise ValueError(
                f"encoder 'pca': {self.dimensions} dimensions were asked for, but the pool's {n} inputs of "
                f"{len(mean)} values each vary in {available} only; choose dimensions in 1..{available}"
            )
        basis = directions[:, : -self.dimensions - 1 : -1]
        basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(self.dimensions)])

        def encode(inputs: np.ndarray) -> np.ndarray:
            _check(inputs)
            if inputs.shape[1:] != shape:
                raise ValueError(f"encoder 'pca' was fitted to inputs {shape}, got {inputs.shape[1:]}")
            features = np.empty((len(inputs), self.dimensions), dtype=np.float32)
            done = 0
            with threadpool_limits(limits=1, user_api="blas"):
                for rows in _chunks(inputs):
                    features[done : done + len(rows)] = (rows - mean) @ basis
                    done += len(rows)
            return features

        return encode


def _check(inputs: np.ndarray) -> None:
    if not (is_images(inputs) or is_vectors(inputs)):
        raise ValueError(
            "encoder 'pca' takes uint8 images (n, height, width) or (n, height, width, 3), or floats (n, d), "
            f"got {shown(inputs)}"
        )


def _chunks(inputs: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in float64, a bounded number at a time, as copies."""
    images = is_images(inputs)
    width = math.prod(inputs.shape[1:])
    step = max(1, CHUNK_BYTES // (8 * width))
    for start in range(0, len(inputs), step):
        chunk = inputs[start : start + step]
        rows = chunk.reshape(len(chunk), width).astype(np.float64)
        yield rows / 255 if images else rows
