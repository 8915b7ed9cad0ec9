"""What encoders are given, and what messages call it."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from labelbench_plus.inputs.image_files import has_images


def is_vectors(inputs: Any) -> TypeGuard[np.ndarray]:
    """Whether inputs are vectors (n, d) of floats."""
    return isinstance(inputs, np.ndarray) and inputs.ndim == 2 and inputs.dtype.kind == "f"


def shown(inputs: Any) -> str:
    """The form of inputs, for a message."""
    return f"{inputs.dtype} {inputs.shape}" if isinstance(inputs, np.ndarray) else repr(inputs)


def check_images(inputs: Any, encoder: str) -> None:
    """Raises ValueError where inputs are no images, or none at all."""
    if not has_images(inputs) or len(inputs) == 0:
        raise ValueError(
            f"encoder {encoder!r} takes uint8 images (n, height, width) or (n, height, width, 3), or files of images, "
            f"n at least 1, got {shown(inputs)}"
        )
