"""Scores of rows computed in blocks of one fixed shape, so that they do not depend on how the rows were cut up.

A matrix product may add up in another order when its shape changes. Every block here has the same number of rows, the
last one filled up with zeros, and starts at a multiple of it: whoever hands in the rows in pieces of whole blocks gets
the bits of who hands them in at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

BLOCK_ROWS = 512
"""Rows of a block: 1.5 MB of single precision at 768 columns, enough for a matrix product at full speed."""


def row_blocks(rows: Tensor, dtype: torch.dtype = torch.float32) -> Iterator[tuple[slice, Tensor]]:
    """Walk over (n, d) rows: the slice of each block and its rows as `dtype`, (BLOCK_ROWS, d), zeros at the end.

    The tensor is the same every time: use it before going on.
    """
    buffer = torch.zeros(BLOCK_ROWS, rows.shape[1], dtype=dtype, device=rows.device)
    for start in range(0, rows.shape[0], BLOCK_ROWS):
        part = slice(start, min(start + BLOCK_ROWS, rows.shape[0]))
        size = part.stop - part.start
        buffer[:size].copy_(rows[part])
        buffer[size:].zero_()
        yield part, buffer


def score_rows(rows: Tensor, score: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float32) -> Tensor:
    """The (n,) scores of (n, d) rows, `score` taking a block (BLOCK_ROWS, d) to its (BLOCK_ROWS,) scores."""
    scores = torch.empty(rows.shape[0], dtype=dtype, device=rows.device)
    for part, block in row_blocks(rows, dtype):
        scores[part] = score(block)[: part.stop - part.start]
    return scores
