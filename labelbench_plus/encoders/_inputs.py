"""What encoders are given, and what messages call it."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from labelbench_plus.data.image_files import ImageFiles


def is_images(inputs: Any) -> TypeGuard[np.ndarray]:
    """Whether inputs are uint8 images (n, height, width) or (n, height, width, 3)."""
    if not isinstance(inputs, np.ndarray):
        return False
    return inputs.dtype == np.uint8 and (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] == 3))


def is_vectors(inputs: Any) -> TypeGuard[np.ndarray]:
    """Whether inputs are vectors (n, d) of floats."""
    return isinstance(inputs, np.ndarray) and inputs.ndim == 2 and inputs.dtype.kind == "f"


def shown(inputs: Any) -> str:
    """The form of inputs, for a message."""
    return f"{inputs.dtype} {inputs.shape}" if isinstance(inputs, np.ndarray) else repr(inputs)


def check_images(inputs: Any, encoder: str) -> None:
    """Raises ValueError where inputs are no images, or none at all."""
    if not (is_images(inputs) or isinstance(inputs, ImageFiles)) or len(inputs) == 0:
        raise ValueError(
            f"encoder {encoder!r} takes uint8 images (n, height, width) or (n, height, width, 3), or files of images, "
            f"n at least 1, got {shown(inputs)}"
        )
