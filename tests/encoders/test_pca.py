"""Principal components, beside the textbook's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from labelbench_plus.datasets import datasets
from labelbench_plus.encoders import encoders, pca


def reference(pool: np.ndarray, inputs: np.ndarray, dimensions: int) -> np.ndarray:
    """Project on the first right singular vectors of the centred pool."""
    mean = pool.mean(axis=0)
    directions = np.linalg.svd(pool - mean, full_matrices=False)[2][:dimensions]
    for direction in directions:
        if direction[np.abs(direction).argmax()] < 0:
            direction *= -1
    return (inputs - mean) @ directions.T


def build(dimensions: int) -> pca.PCA:
    return encoders.build({"name": "pca", "dimensions": dimensions})  # type: ignore[return-value]


@pytest.mark.parametrize(("n", "d", "dimensions"), [(50, 8, 3), (50, 8, 8), (6, 20, 5), (2, 3, 1)])
def test_vectors_beside_the_reference(n: int, d: int, dimensions: int) -> None:
    rng = np.random.default_rng(n * d)
    pool = rng.normal(size=(n, d)) * rng.uniform(0.5, 3, size=d) + 100
    others = rng.normal(size=(4, d))
    encode = build(dimensions).fit(pool)
    for inputs in (pool, others):
        features = encode(inputs)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, reference(pool, inputs, dimensions), rtol=1e-5, atol=1e-5)
    assert encode(pool[:0]).shape == (0, dimensions)


def test_real_images_beside_the_reference() -> None:
    data = datasets.build("digits").load()
    pool, test = (part.inputs.reshape(-1, 64) / 255 for part in (data.pool, data.test))
    features = build(20).fit(data.pool.inputs)(data.test.inputs)
    np.testing.assert_allclose(features, reference(pool, test, 20), atol=1e-6)
    spread = build(20).fit(data.pool.inputs)(data.pool.inputs).std(axis=0)
    assert (np.diff(spread) < 0).all(), "the first coordinate varies most"


def test_the_size_of_chunks_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = np.random.default_rng(0).integers(0, 256, (40, 4, 5, 3)).astype(np.uint8)
    whole = build(7).fit(pool)(pool)
    monkeypatch.setattr(pca, "CHUNK_BYTES", 3 * 60 * 8)
    np.testing.assert_allclose(build(7).fit(pool)(pool), whole, atol=1e-6)


def test_the_pool_alone_decides_and_the_same_one_gives_the_same_bits() -> None:
    pool = np.random.default_rng(1).normal(size=(30, 6)).astype(np.float32)
    kept = pool.copy()
    one, other = (build(4).fit(pool)(pool) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(pool, kept)
    np.testing.assert_array_equal(build(4).fit(pool)(pool[10:20]), one[10:20])


def test_more_dimensions_than_the_pool_varies_in_are_refused() -> None:
    pool = datasets.build("digits").load().pool.inputs
    rank = int(np.linalg.matrix_rank(pool.reshape(-1, 64) - pool.reshape(-1, 64).mean(axis=0)))
    assert rank < 64, "some pixels are always black"
    with pytest.raises(ValueError, match=rf"64 dimensions.*1097 inputs of 64 values each vary in {rank} only"):
        build(64).fit(pool)
    build(rank).fit(pool)
    with pytest.raises(ValueError, match="vary in 2 only"):
        build(3).fit(np.random.default_rng(0).normal(size=(3, 10)))
    with pytest.raises(ValueError, match="vary in 0 only"):
        build(1).fit(np.ones((5, 3)))


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        build(0)
    with pytest.raises(ValueError, match="must be finite"):
        build(1).fit(np.array([[0.0, 1.0], [np.nan, 2.0]]))
    for inputs in (np.zeros((3, 4), np.uint8), np.zeros((3, 4, 5)), np.zeros((3, 4), int)):
        with pytest.raises(ValueError, match="'pca' takes uint8 images"):
            build(1).fit(inputs)
    with pytest.raises(ValueError, match=r"fitted to inputs \(2,\), got \(3,\)"):
        build(1).fit(np.eye(2))(np.eye(3))
