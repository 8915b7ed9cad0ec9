"""Sketched vectors beside the vectors themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.sign_sketch import sign_sketch


def slow(values, dimensions, rng):
    """By a matrix of signs, written out."""
    width = values.shape[1]
    order, signs = rng.permutation(width), 2 * rng.integers(2, size=width) - 1
    matrix = np.zeros((width, dimensions))
    for place, entry in enumerate(order.tolist()):
        matrix[entry, place % dimensions] = signs[entry]
    return values.double().numpy() @ matrix


@pytest.mark.parametrize(("width", "dimensions"), [(1, 1), (7, 3), (12, 4), (5, 9)])
def test_it_is_a_product_with_a_matrix_of_signs(width, dimensions):
    values = torch.randn(4, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = sign_sketch(values, dimensions, np.random.default_rng(3))
    np.testing.assert_allclose(found, slow(values, dimensions, np.random.default_rng(3)), atol=1e-12)


def test_inner_products_are_kept_on_average():
    values = torch.randn(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rng = np.random.default_rng(1)
    products = torch.stack([(found := sign_sketch(values, 8, rng)) @ found.T for _ in range(3000)])
    error = products.mean(dim=0) - values @ values.T
    assert bool((error.abs() < 5 * products.std(dim=0) / 3000**0.5 + 1e-9).all())


def test_parts_add_up_to_the_whole():
    values = torch.randn(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rng = np.random.default_rng(1)
    drawn = torch.stack(
        [sign_sketch(values[:, :30], 8, rng) + sign_sketch(values[:, 30:], 8, rng) for _ in range(3000)]
    )
    products = drawn @ drawn.transpose(1, 2)
    error = products.mean(dim=0) - values @ values.T
    assert bool((error.abs() < 5 * products.std(dim=0) / 3000**0.5 + 1e-9).all())


def test_precision_and_what_is_refused():
    half = sign_sketch(torch.ones(2, 5).half(), 2, np.random.default_rng(0))
    assert half.dtype == torch.float32
    assert sign_sketch(torch.ones(0, 5), 2, np.random.default_rng(0)).shape == (0, 2)
    with pytest.raises(ValueError, match="dimensions"):
        sign_sketch(torch.ones(2, 5), 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="values"):
        sign_sketch(torch.full((2, 5), torch.nan), 2, np.random.default_rng(0))
