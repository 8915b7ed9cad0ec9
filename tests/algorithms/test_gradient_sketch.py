"""Sketched gradients beside the gradients themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms.gradient_sketch import gradient_sketch


def network(rows: int, seed: int = 0) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Inputs and gradients of two linear layers with biases, and the whole gradients (rows, weights)."""
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.nn.Linear(3, 4).double(), torch.nn.Linear(4, 1).double()
    with torch.no_grad():
        for layer in (first, second):
            for values in layer.parameters():
                values.copy_(torch.randn(values.shape, generator=generator))
    x = torch.randn(rows, 3, generator=generator).double()
    whole = []
    for row in x:
        out = second(torch.tanh(first(row)))
        got = torch.autograd.grad(out, [*first.parameters(), *second.parameters()])
        whole.append(torch.cat([each.flatten() for each in got]))
    hidden = torch.tanh(first(x)).detach()
    ones = torch.ones(rows, 1).double()
    inputs = [torch.cat([x, ones], dim=1), torch.cat([hidden, ones], dim=1)]
    gradients = [(second.weight * (1 - hidden**2)).detach(), ones]
    return inputs, gradients, torch.stack(whole)


def test_inner_products_are_those_of_the_gradients_on_average() -> None:
    inputs, gradients, whole = network(6)
    rng = np.random.default_rng(1)
    sketches = torch.stack([gradient_sketch(inputs, gradients, 32, rng) for _ in range(3000)])
    products = sketches @ sketches.transpose(1, 2)
    error = products.mean(dim=0) - whole @ whole.T
    assert bool((error.abs() < 5 * products.std(dim=0) / 3000**0.5).all())
    wide = gradient_sketch(inputs, gradients, 20_000, rng)
    scale = whole.norm(dim=1)
    assert bool(((wide @ wide.T - whole @ whole.T).abs() < 0.1 * scale * scale[:, None]).all())


def test_precision_chunks_and_repeats() -> None:
    inputs, gradients, _ = network(50)
    whole = gradient_sketch(inputs, gradients, 7, np.random.default_rng(2))
    assert whole.dtype == torch.float64
    small = gradient_sketch(inputs, gradients, 7, np.random.default_rng(2), chunk_bytes=1)
    torch.testing.assert_close(small, whole, rtol=1e-12, atol=1e-12)
    half = [[each.half() for each in layers] for layers in (inputs, gradients)]
    single = gradient_sketch(*half, 7, np.random.default_rng(2))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), whole, rtol=0.1, atol=0.1)
    assert gradient_sketch([x[:0] for x in inputs], [x[:0] for x in gradients], 7, np.random.default_rng(2)).shape == (
        0,
        7,
    )


def test_refusals() -> None:
    inputs, gradients, _ = network(5)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="dimensions must be at least 1, got 0"):
        gradient_sketch(inputs, gradients, 0, rng)
    with pytest.raises(ValueError, match="of the same layers, got 2 and 1"):
        gradient_sketch(inputs, gradients[:1], 3, rng)
    with pytest.raises(ValueError, match="of the same layers, got 0 and 0"):
        gradient_sketch([], [], 3, rng)
    with pytest.raises(ValueError, match=r"gradients\[1\] must have the 5 rows of inputs\[0\], got 4"):
        gradient_sketch(inputs, [gradients[0], gradients[1][:4]], 3, rng)
    inputs[1][2, 0] = torch.inf
    with pytest.raises(ValueError, match=r"inputs\[1\] must be finite, but row 2"):
        gradient_sketch(inputs, gradients, 3, rng)
