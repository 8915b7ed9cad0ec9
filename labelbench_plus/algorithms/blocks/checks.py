"""Checks of the arguments every primitive takes, so that bad input is refused in one voice."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

_CHUNK = 2**18  # entries looked at together: about what stays in cache


def check_matrix(values: Tensor, name: str) -> Tensor:
    """Return `values`, refused unless it is a finite floating-point matrix (rows, columns).

    Raises
    ------
    ValueError
        Not two-dimensional, not floating point, or holding NaN or infinity; the message names the first bad row.
    """
    _check_form(values, name)
    return check_finite(values, name)


def check_finite(values: Tensor, name: str) -> Tensor:
    """Return `values`, refused if any entry is NaN or infinite; the message names the first bad row."""
    # A sum is NaN or infinite whenever an entry is, and reads the data once without a copy or a mask as large as the
    # data; only a suspicious sum (which an overflow can also cause) pays for the exact look.
    if values.dtype in (torch.float32, torch.float64):
        total = values.sum()
    else:  # sums of half precision would overflow in half precision, and are copied for another
        total = sum((part.sum(dtype=torch.float32) for part in _chunks(values)), torch.zeros((), device=values.device))
    if not torch.isfinite(total):
        _refuse_infinite(values, name)
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
    _check_form(values, name)
    count, classes = values.shape
    accumulator = torch.promote_types(values.dtype, torch.float32)
    extremes = [torch.zeros(2, dtype=values.dtype, device=values.device)]
    sums = torch.empty(count, dtype=accumulator, device=values.device)
    start = 0
    for part in _chunks(values):
        extremes.append(torch.stack(torch.aminmax(part)))
        sums[start : start + len(part)] = part.sum(dim=1, dtype=accumulator)
        start += len(part)
    span = torch.stack(extremes)
    least, most = float(span[:, 0].amin()), float(span[:, 1].amax())  # NaN if any entry is
    if not (isfinite(least) and isfinite(most)):
        _refuse_infinite(values, name)
    if classes < 2:
        raise ValueError(f"{name} must have at least two columns (classes), got {classes}")
    if least < -tolerance or most > 1 + tolerance:
        outside = (values < -tolerance) | (values > 1 + tolerance)
        raise ValueError(f"{name} must lie in [0, 1], but row {int(outside.any(dim=1).nonzero()[0])} does not")
    # Double precision decides, but only about rows that single precision might misjudge: a sum of K numbers is off by
    # at most K roundings of the sum of their sizes, of which negative ones add little.
    rounding = classes * torch.finfo(accumulator).eps * (2 + 2 * classes * tolerance)
    doubtful = ((sums - 1).abs() > tolerance - rounding).nonzero()[:, 0]
    worst, row = 0.0, 0
    for some in doubtful.split(max(1, _CHUNK // classes)) if len(doubtful) else ():
        off = (values[some].sum(dim=1, dtype=torch.float64) - 1).abs()
        if float(off.max()) > worst:
            worst, row = float(off.max()), int(some[off.argmax()])
    if worst > tolerance:
        raise ValueError(f"{name} must sum to one, but row {row} sums to {float(values[row].double().sum()):.6g}")
    return values


def _check_form(values: Tensor, name: str) -> None:
    if values.dim() != 2:
        raise ValueError(f"{name} must be a matrix (rows, columns), got shape {tuple(values.shape)}")
    if not values.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {values.dtype}")


def _chunks(values: Tensor) -> tuple[Tensor, ...]:
    """Consecutive rows, few enough to stay in cache; none of an empty tensor."""
    if values.numel() == 0:
        return ()
    return values.reshape(-1).split(_CHUNK) if values.dim() < 2 else values.split(max(1, _CHUNK // values[0].numel()))


def _refuse_infinite(values: Tensor, name: str) -> None:
    """Raise if an entry is NaN or infinite."""
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        row = int(bad.reshape(values.shape[0], -1).any(dim=1).nonzero()[0]) if values.dim() else 0
        raise ValueError(f"{name} must be finite, but row {row} holds NaN or infinity")


def check_count(n: int, available: int, what: str = "candidates") -> int:
    """Return `n`, refused unless 0 <= n <= available."""
    if not 0 <= n <= available:
        raise ValueError(f"cannot pick {n} of {available} {what}: ask for 0 to {available}")
    return n
