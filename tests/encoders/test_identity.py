"""Vectors as they are."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.encoders import encoders


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_are_rounded_to_float32_and_copied(dtype: type) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    features = encoders.build("identity").fit(vectors)(vectors)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, vectors.astype(np.float32))
    features[:] = 0
    assert vectors.any()


@pytest.mark.parametrize(
    "inputs", [np.zeros((2, 3), np.uint8), np.zeros((2, 3, 4)), np.zeros(3), np.zeros((2, 3), int)]
)
def test_other_inputs_are_refused(inputs: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'identity' takes floats \(n, d\).*'pixels'"):
        encoders.build("identity").fit(inputs)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_in_float32_is_refused(value: float) -> None:
    encode = encoders.build("identity").fit(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="input 1 is not finite"):
        encode(np.array([[0.0, 1.0], [0.0, value]]))


@pytest.mark.parametrize("offset", [1.6e9, -1e12])
def test_values_far_from_zero_and_near_each_other_stay_apart(offset: float) -> None:
    rng = np.random.default_rng(0)
    near = np.stack([rng.uniform(0, 25, 300), rng.normal(size=300), np.full(300, 1e9)], axis=1)
    pool = near + np.array([offset, 0.0, 0.0])  # a time stamp, an ordinary column, a constant one
    encode = encoders.build("identity").fit(pool)
    features = encode(pool)
    np.testing.assert_allclose(np.diff(features[:, 0]), np.diff(near[:, 0]), atol=2e-3)
    np.testing.assert_array_equal(features[:, 1:], near[:, 1:].astype(np.float32))
    np.testing.assert_array_equal(encode(pool[7:8]), features[7:8])
