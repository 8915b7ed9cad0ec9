"""Features that were made elsewhere, as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import is_vectors, shown

COARSE = 1e-4  # of a column's standard deviation
CHUNK_ROWS = 8192


@encoders.register("identity")
@dataclass(frozen=True)
class Identity(Encoder):
    """Inputs that are vectors (n, d) already, rounded to float32.

    Columns of doubles that rounding would blur, since their values lie far from zero and near each other (time stamps,
    coordinates on a map), are first shifted by the pool's mean. Features are shifted by it in any case.
    """

    title = "Vectors as they are"

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Raises ValueError where the inputs are not vectors, or too large for float32."""
        _check(pool_inputs)
        shift = _shift(pool_inputs)

        def encode(inputs: np.ndarray) -> np.ndarray:
            _check(inputs)
            with np.errstate(over="ignore"):
                features = (inputs if shift is None else inputs - shift).astype(np.float32)
            if not np.isfinite(features).all():
                row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
                raise ValueError(f"encoder 'identity': input {row} is not finite in float32")
            return features

        return encode


def _check(inputs: np.ndarray) -> None:
    if not is_vectors(inputs):
        raise ValueError(
            f"encoder 'identity' takes floats (n, d), got {shown(inputs)}; "
            "for images there are 'pixels', 'pca' and 'timm', for texts 'transformers'"
        )


def _shift(pool: np.ndarray) -> np.ndarray | None:
    """(d,) what to take away before rounding: the mean where rounding is coarse, else 0; None if it is so nowhere."""
    if pool.dtype.itemsize <= 4 or not len(pool):
        return None
    origin = pool[0].astype(np.float64)
    total, squares, largest = np.zeros_like(origin), np.zeros_like(origin), np.zeros_like(origin)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused when it is encoded
        for start in range(0, len(pool), CHUNK_ROWS):
            rows = pool[start : start + CHUNK_ROWS].astype(np.float64)
            largest = np.maximum(largest, np.abs(rows).max(axis=0))
            rows -= origin  # so that squares lose no digits
            total += rows.sum(axis=0)
            squares += (rows**2).sum(axis=0)
        mean = total / len(pool)
        spread = np.sqrt(np.maximum(squares / len(pool) - mean**2, 0))
        coarse = (largest * np.finfo(np.float32).eps / 2 > COARSE * spread) & (spread > 0)
    return np.where(coarse, origin + mean, 0.0) if coarse.any() else None
