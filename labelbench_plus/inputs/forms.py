"""The forms that inputs come in, by what people call them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from labelbench_plus.inputs.image_files import ImageFiles, is_images
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.inputs.texts import Texts

Form = Literal["images in memory", "images in files", "vectors", "texts", "questions about images"]
IMAGES: frozenset[Form] = frozenset({"images in memory", "images in files"})


def form_of(inputs: Any) -> Form | None:
    """Which form inputs have; None if it is another."""
    if isinstance(inputs, ImageFiles):
        return "images in files"
    if isinstance(inputs, Texts):
        return "texts"
    if isinstance(inputs, Questions):
        return "questions about images"
    if is_images(inputs):
        return "images in memory"
    vectors = isinstance(inputs, np.ndarray) and inputs.ndim == 2 and inputs.dtype.kind == "f"
    return "vectors" if vectors else None
