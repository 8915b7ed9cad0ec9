"""Sums of outer products of rows, uncentred, in double precision."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.row_blocks import row_blocks

COLUMN_BLOCK = 128


def gram(rows: Tensor, products: torch.dtype = torch.float64) -> Tensor:
    """RᵀR, (d, d) float64, of rows R (n, d) of any floating type, block by block.

    With `products` within a block in double precision, rows can be taken out again (`gram(all) - gram(removed)`)
    without a trace; in single precision it takes half the time. Blocks are added up in double precision either way.
    Memory: one block of rows and two matrices.
    """
    total = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for _, block in row_blocks(rows, products):
        if products == torch.float64:
            total.addmm_(block.T, block)
        else:
            for start in range(0, rows.shape[1], COLUMN_BLOCK):  # the upper triangle; the lower one is its mirror image
                part = slice(start, start + COLUMN_BLOCK)
                total[: part.stop, part] += block[:, : part.stop].T @ block[:, part]
    return total if products == torch.float64 else total.triu() + total.triu(1).T


def gram_of_parts(parts: Iterable[Tensor]) -> tuple[Tensor, int]:
    """`gram` of rows that come in parts (n_i, d), and how many rows there were.

    The result does not depend on the order of the parts beyond double rounding, but does depend on it in the last bit:
    hand them in in a fixed order.

    Raises
    ------
    ValueError
        No row at all, or parts with different numbers of columns.
    """
    total: Tensor | None = None
    count = 0
    for part in parts:
        if total is not None and part.shape[1] != total.shape[0]:
            raise ValueError(f"a part has {part.shape[1]} columns, those before it {total.shape[0]}")
        of_part = gram(part)
        total = of_part if total is None else total.add_(of_part)
        count += part.shape[0]
    if total is None or count == 0:
        raise ValueError("a second moment needs at least one row")
    return total, count
