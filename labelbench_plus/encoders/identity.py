"""Features that were made elsewhere, as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import is_vectors, shown


@encoders.register("identity")
@dataclass(frozen=True)
class Identity(Encoder):
    """Inputs that are vectors (n, d) already, rounded to float32."""

    title = "Vectors as they are"
    takes = frozenset({"vectors"})

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Raises ValueError where the inputs are not vectors, or too large for float32."""
        _as_float32(pool_inputs[:1])
        return _as_float32


def _as_float32(inputs: np.ndarray) -> np.ndarray:
    if not is_vectors(inputs):
        raise ValueError(
            f"encoder 'identity' takes floats (n, d), got {shown(inputs)}; "
            "for images there are 'pixels', 'pca' and 'timm', for texts 'transformers'"
        )
    with np.errstate(over="ignore"):
        features = inputs.astype(np.float32)
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise ValueError(f"encoder 'identity': input {row} is not finite in float32")
    return features
