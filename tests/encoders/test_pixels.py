"""Raw pixels: row by row, 0..255 to 0..1, whatever else is in the data."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.encoders import encoders


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 3, 4, 3), (0, 3, 4)])
def test_values_are_divided_by_255(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    features = encoders.build("pixels").fit(np.zeros((1, *shape[1:]), np.uint8))(images)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, (images.reshape(shape[0], int(np.prod(shape[1:]))) / np.float32(255)))


def test_black_and_white_are_0_and_1_however_dark_the_others_are() -> None:
    encode = encoders.build("pixels").fit(np.full((3, 2, 2), 7, np.uint8))
    assert encode(np.array([[[0, 255], [16, 51]]], np.uint8)).tolist() == [
        [0, 1, np.float32(16 / 255), np.float32(0.2)]
    ]


@pytest.mark.parametrize(
    "inputs", [np.zeros((2, 3)), np.zeros((2, 3, 4)), np.zeros((2, 3), np.uint8), np.zeros((2, 3, 4, 5), np.uint8)]
)
def test_what_is_no_image_is_refused(inputs: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'pixels' takes uint8 images.*'identity'"):
        encoders.build("pixels").fit(inputs)
