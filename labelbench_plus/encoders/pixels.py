"""Raw pixels as features."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import shown
from labelbench_plus.inputs.image_files import is_images


@encoders.register("pixels")
@dataclass(frozen=True)
class Pixels(Encoder):
    """An image's values, row by row, divided by 255: features in 0..1.

    255 is what a uint8 image spans by agreement of all data sets here, not what these images happen to reach: the
    features of an image do not depend on the others.
    """

    title = "Raw pixels"
    takes = frozenset({"images in memory"})

    def fit(self, pool_inputs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Raises ValueError where the inputs are not uint8 images."""
        _flatten(pool_inputs[:1])
        return _flatten


def _flatten(inputs: np.ndarray) -> np.ndarray:
    if not is_images(inputs):
        raise ValueError(
            "encoder 'pixels' takes uint8 images (n, height, width) or (n, height, width, 3), "
            f"got {shown(inputs)}; for vectors there are 'identity' and 'pca'"
        )
    rows = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    return np.divide(rows, np.float32(255), dtype=np.float32)
