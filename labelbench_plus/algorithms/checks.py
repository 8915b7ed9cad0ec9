"""Checks of the arguments every primitive takes, so that bad input is refused in one voice."""

from __future__ import annotations

import torch
from torch import Tensor


def check_matrix(values: Tensor, name: str) -> Tensor:
    """Return `values`, refused unless it is a finite floating-point matrix (rows, columns).

    Raises
    ------
    ValueError
        Not two-dimensional, not floating point, or holding NaN or infinity; the message names the first bad row.
    """
    if values.dim() != 2:
        raise ValueError(f"{name} must be a matrix (rows, columns), got shape {tuple(values.shape)}")
    if not values.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {values.dtype}")
    check_finite(values, name)
    return values


def check_finite(values: Tensor, name: str) -> Tensor:
    """Return `values`, refused if any entry is NaN or infinite; the message names the first bad row."""
    # A sum is NaN or infinite whenever an entry is, and reads the data once without a mask as large as the data;
    # only a suspicious sum (which an overflow can also cause) pays for the exact look.
    if not torch.isfinite(values.sum(dtype=torch.float64)):
        bad = ~torch.isfinite(values)
        if bool(bad.any()):
            row = int(bad.reshape(values.shape[0], -1).any(dim=1).nonzero()[0]) if values.dim() else 0
            raise ValueError(f"{name} must be finite, but row {row} holds NaN or infinity")
    return values


def check_probabilities(values: Tensor, name: str = "probabilities", tolerance: float = 1e-2) -> Tensor:
    """Return `values`, refused unless every row is a probability vector over at least two classes.

    Parameters
    ----------
    values: (n, K) floating point.
    tolerance: largest accepted distance of a row's sum from one. The default lets float16 rows through.

    Raises
    ------
    ValueError
        Not a finite matrix, fewer than two columns, an entry outside [0, 1], or a row that does not sum to one.
    """
    check_matrix(values, name)
    if values.shape[1] < 2:
        raise ValueError(f"{name} must have at least two columns (classes), got {values.shape[1]}")
    if values.shape[0] == 0:
        return values
    outside = (values < -tolerance) | (values > 1 + tolerance)
    if bool(outside.any()):
        raise ValueError(f"{name} must lie in [0, 1], but row {int(outside.any(dim=1).nonzero()[0])} does not")
    off = (values.sum(dim=1, dtype=torch.float64) - 1).abs()
    if float(off.max()) > tolerance:
        row = int(off.argmax())
        raise ValueError(f"{name} must sum to one, but row {row} sums to {float(values[row].double().sum()):.6g}")
    return values


def check_count(n: int, available: int, what: str = "candidates") -> int:
    """Return `n`, refused unless 0 <= n <= available."""
    if not 0 <= n <= available:
        raise ValueError(f"cannot pick {n} of {available} {what}: ask for 0 to {available}")
    return n
