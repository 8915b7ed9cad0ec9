"""Floats in order, by way of integers."""

from __future__ import annotations

import pytest
import torch

from labelbench_plus.algorithms.blocks.float_order import stable_order


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_order_is_that_of_a_stable_sort(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(500, generator=generator, dtype=dtype) * 10.0 ** torch.randint(
        -30, 30, (500,), generator=generator
    )
    ties = torch.randint(-3, 3, (500,), generator=generator).to(dtype)
    tiny = torch.finfo(dtype).smallest_normal / 4
    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 0.0, -0.0, tiny, -tiny], dtype=dtype)
    values = torch.cat([drawn, ties, special])[torch.randperm(1008, generator=generator)]
    before = values.clone()
    assert torch.equal(stable_order(values), values.argsort(stable=True))
    assert torch.equal(values, before)
    assert stable_order(values[:0]).tolist() == []
