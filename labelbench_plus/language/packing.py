"""Which texts are computed together: batches by length, the same every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def by_length(lengths: Sequence[int], tokens: int) -> list[np.ndarray]:
    """Batches of rows of about equal length, longest first, so that little is padded and memory runs out at once.

    Parameters
    ----------
    lengths: (n,) of the rows, in tokens.
    tokens: the most a batch may have, padding included; a longer row is a batch of its own.

    Returns
    -------
    Rows, in batches. A function of the lengths alone; equal lengths in the order of rows.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def padded_right(rows: Sequence[Sequence[int]]) -> Tensor:
    """(n, longest) long with zeros after each row: a causal model's other states are the same with and without them."""
    out = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for place, row in enumerate(rows):
        out[place, : len(row)] = torch.as_tensor(row)
    return out


def padded_left(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """(n, longest) long with zeros before each row, the mask that is 1 where tokens are, and their positions."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, longest - len(row) :] = torch.as_tensor(row)
        mask[place, longest - len(row) :] = 1
    return ids, mask, (mask.cumsum(dim=1) - 1).clamp(min=0)
