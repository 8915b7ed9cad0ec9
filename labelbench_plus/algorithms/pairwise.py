"""Squared Euclidean distances in chunks: the arithmetic that the geometric primitives share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

DEFAULT_CHUNK_BYTES = 16 * 2**20
"""Size of the largest temporary array of a chunked primitive: big enough for an efficient matrix product."""


def row_chunks(rows: int, bytes_per_row: int, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[slice]:
    """Cut `range(rows)` into consecutive slices of at most `chunk_bytes`, at least one row each.

    Parameters
    ----------
    rows: how many rows to cover.
    bytes_per_row: bytes of temporary memory that one row needs.
    chunk_bytes: byte budget of a slice.

    Raises
    ------
    ValueError
        `chunk_bytes` is not positive.
    """
    if chunk_bytes <= 0:
        raise ValueError(f"chunk_bytes must be positive, got {chunk_bytes}")
    size = max(1, chunk_bytes // max(1, bytes_per_row))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def working_dtype(values: Tensor) -> torch.dtype:
    """Type in which matrix products of `values` are taken: its own, but never below single precision."""
    return torch.promote_types(values.dtype, torch.float32)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances between all rows of two matrices, by one matrix product.

    The expanded form ‖a‖² + ‖b‖² − 2 a·b cancels where rows nearly coincide: its absolute error is of the
    order of the rounding error of ‖a‖² + ‖b‖². Use it to filter, and `exact_squared_distances` to decide.

    Parameters
    ----------
    a: (n, d) floating point.
    b: (m, d), on the same device. Half precision is computed in single precision.

    Returns
    -------
    (n, m), clamped at zero. Chunk `a` with `row_chunks` to bound the memory. O(n m d) time.
    """
    dtype = torch.promote_types(working_dtype(a), working_dtype(b))
    a, b = a.to(dtype), b.to(dtype)
    product = torch.addmm((b * b).sum(dim=1), a, b.T, alpha=-2)
    return product.add_((a * a).sum(dim=1, keepdim=True)).clamp_(min=0)


def exact_squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of paired rows, in float64 by a fixed sum over each row.

    The value of a pair depends on nothing but its two rows, neither on the chunk it is computed in nor on the
    number of threads, and is exactly zero for equal rows: ties and duplicates stay ties.

    Parameters
    ----------
    a: (n, d) floating point.
    b: (d,) or (n, d), on the same device.

    Returns
    -------
    (n,) float64. O(n d) time; two temporary arrays of 8 n d bytes: chunk large inputs with `row_chunks`.
    """
    return row_sums((a.to(torch.float64) - b.to(torch.float64)).square_())


def row_sums(values: Tensor) -> Tensor:
    """Sum each row of a (n, d) matrix in an order that depends on d alone, not on n or the threads."""
    values = values.contiguous()  # the order of a strided sum differs
    if values.shape[0] == 1:  # torch splits a sum with a single result over the threads
        return values.repeat(2, 1).sum(dim=1)[:1]
    return values.sum(dim=1)
