"""A network's gradients with respect to all its weights, sketched to a few numbers without being formed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, working_dtype


@detached
def gradient_sketch(
    inputs: Sequence[Tensor],
    gradients: Sequence[Tensor],
    dimensions: int,
    rng: Generator,
    *,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Features whose inner products are those of the full gradients on average over `rng`.

    The gradient of an output with respect to the weights of a linear layer is the outer product of the gradient with
    respect to what the layer puts out with what goes into it, so that the inner product of two rows' gradients is
    Σ over layers of (inputs · inputs') (gradients · gradients'). A column of the sketch is, summed over layers, the
    product of one random projection of the inputs with one of the gradients; the variance of an inner product falls
    with one over the number of columns.

    Parameters
    ----------
    inputs: for each linear layer (N, d) floating point, what goes into it (append ones if it has a bias).
    gradients: for each (N, k) floating point, the gradient of the network's output with respect to what comes out.
    dimensions: p, columns of the sketch, at least 1.
    rng: source of all randomness.
    chunk_bytes: byte budget of temporary arrays.

    Returns
    -------
    (N, p) in single precision, double where an input is.

    Raises
    ------
    ValueError
        No layer, layers or rows that do not match, not finite, or no column wanted.

    Notes
    -----
    O(N p (d + k)) time a layer; p (d + k) random numbers a layer.
    Source: Holzmüller, Zaverkin, Kästner and Steinwart (2023, arXiv 2203.09410), the gradient kernel and its sketches.
    """
    if dimensions < 1:
        raise ValueError(f"dimensions must be at least 1, got {dimensions}")
    if len(inputs) == 0 or len(inputs) != len(gradients):
        raise ValueError(f"needs inputs and gradients of the same layers, got {len(inputs)} and {len(gradients)}")
    rows, dtype = len(inputs[0]), torch.float32
    for layer, pair in enumerate(zip(inputs, gradients, strict=True)):
        for values, name in zip(pair, ("inputs", "gradients"), strict=True):
            check_matrix(values, f"{name}[{layer}]")
            if len(values) != rows:
                raise ValueError(f"{name}[{layer}] must have the {rows} rows of inputs[0], got {len(values)}")
            dtype = torch.promote_types(dtype, working_dtype(values))
    device = inputs[0].device
    sketch = torch.zeros(rows, dimensions, dtype=dtype, device=device)
    for left, right in zip(inputs, gradients, strict=True):
        one, other = (
            torch.from_numpy(rng.standard_normal((values.shape[1], dimensions))).to(device, dtype)
            for values in (left, right)
        )
        row_bytes = dtype.itemsize * (left.shape[1] + right.shape[1] + 2 * dimensions)
        for chunk in row_chunks(rows, row_bytes, chunk_bytes):
            sketch[chunk] += (left[chunk].to(dtype) @ one).mul_(right[chunk].to(dtype) @ other)
    return sketch.mul_(dimensions**-0.5)
