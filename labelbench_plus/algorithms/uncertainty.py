"""Uncertainty scores of predicted class distributions, and the exact top-n that goes with them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite, check_probabilities
from labelbench_plus.algorithms.blocks.detached import detached

CHUNK_BYTES = 4 * 2**20  # of temporaries: about what stays in cache, and nothing beside the pool's own matrix


@detached
def entropy(probabilities: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Shannon entropy of every row, in nats; higher is more uncertain.

    Rows are read as they are (0 log 0 = 0, a one-hot row scores exactly 0), except at K = 2: see `margin`.

    Parameters
    ----------
    probabilities: (n, K) floating point, K >= 2.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) float64.

    Raises
    ------
    ValueError
        Rows that are not finite probability vectors.

    Complexity: O(n K) time, O(n + chunk_bytes) memory. Ties: equal rows score equally.
    Source: Shannon (1948); as a query rule Settles (2009, section 3.1).
    """
    check_probabilities(probabilities)
    if probabilities.shape[1] == 2:
        rest = (1 - _binary_margin(probabilities)) / 2
        return shannon_entropy(torch.stack([1 - rest, rest], dim=1))
    out = torch.empty(probabilities.shape[0], dtype=torch.float64, device=probabilities.device)
    for rows in _row_chunks(probabilities, chunk_bytes):
        # The tolerance of the check lets entries slightly below zero through; their entropy is that of zero.
        out[rows] = shannon_entropy(probabilities[rows].double().clamp(min=0))
    return out


@detached
def least_confidence(probabilities: Tensor) -> Tensor:
    """One minus the largest probability of every row; higher is more uncertain.

    Parameters
    ----------
    probabilities: (n, K) floating point, K >= 2. At K = 2 see `margin`.

    Returns
    -------
    (n,) float64.

    Raises
    ------
    ValueError
        Rows that are not finite probability vectors.

    Complexity: O(n K) time, O(n) memory. Ties: equal rows score equally.
    Source: Lewis and Gale (1994); Settles (2009, section 3.1).
    """
    check_probabilities(probabilities)
    if probabilities.shape[1] == 2:
        return (1 - _binary_margin(probabilities)) / 2
    return 1 - probabilities.amax(dim=1).double()


@detached
def margin(probabilities: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Largest minus second largest probability of every row; LOWER is more uncertain.

    The difference is taken in float64, where that of two float16 or float32 numbers is all but exact, so that rows
    tie only if their margins do. At K = 2 the three scores of this module are functions of one number; there, and
    only there, each row is first divided by its sum (a rounded row does not sum to one, and would rank differently
    under each score), and `entropy` and `least_confidence` are computed from the margin. All three then rank alike.

    Parameters
    ----------
    probabilities: (n, K) floating point, K >= 2.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) float64, from 0 (two classes tie) to 1 (one-hot).

    Raises
    ------
    ValueError
        Rows that are not finite probability vectors.

    Complexity: O(n K) time, O(n + chunk_bytes) memory. Ties: equal rows score equally.
    Source: Scheffer, Decomain and Wrobel (2001); Settles (2009, section 3.1).
    """
    check_probabilities(probabilities)
    if probabilities.shape[1] == 2:
        return _binary_margin(probabilities)
    out = torch.empty(probabilities.shape[0], dtype=torch.float64, device=probabilities.device)
    for rows in _row_chunks(probabilities, chunk_bytes):
        first, second = two_largest(probabilities[rows])
        out[rows] = first.double() - second.double()
    return out


@detached
def top_scores(scores: Tensor, n: int, largest: bool = True) -> Tensor:
    """Indices of the `n` largest (or smallest) scores, best first, equal scores in ascending index order.

    `torch.topk` leaves the choice and the order among equal scores undefined; this does not.

    Parameters
    ----------
    scores: (N,) real numbers of any dtype.
    n: how many, 0 <= n <= N.
    largest: whether the largest or the smallest scores are wanted.

    Returns
    -------
    (n,) long, on the device of `scores`.

    Raises
    ------
    ValueError
        Scores that are not a finite vector, or n out of range.

    Complexity: O(N + n log n) time on average, O(N) memory. Ties: lowest index first, also at the cut.
    """
    if scores.dim() != 1:
        raise ValueError(f"scores must be a vector, got shape {tuple(scores.shape)}")
    if scores.is_floating_point():
        check_finite(scores, "scores")
    check_count(n, scores.shape[0], "scores")
    if n == 0:
        return torch.empty(0, dtype=torch.long, device=scores.device)
    # Only the value at the cut is taken from topk: values, unlike indices, do not depend on its order among ties.
    best = torch.topk(scores, n, largest=largest, sorted=False).values
    cut = best.min() if largest else best.max()
    beyond = (scores > cut if largest else scores < cut).nonzero().squeeze(1)
    order = torch.sort(scores[beyond], descending=largest, stable=True).indices
    at_cut = (scores == cut).nonzero().squeeze(1)[: n - beyond.shape[0]]
    return torch.cat([beyond[order], at_cut])


@detached
def two_largest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest and second largest of every row of at least two entries; several times faster than topk(2)."""
    first, at = rows.max(dim=1, keepdim=True)
    return first[:, 0], rows.scatter(1, at, -math.inf).amax(dim=1)


@detached
def shannon_entropy(probabilities: Tensor) -> Tensor:
    """Entropy along the last dimension, in nats and in the input's precision; nothing is checked.

    `torch.special.entr` is exact too, but two to three times slower.
    """
    logs = probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log_()
    return logs.mul_(probabilities).sum(dim=-1).neg_()


def _binary_margin(probabilities: Tensor) -> Tensor:
    first, second = probabilities.double().clamp(min=0).unbind(dim=1)
    return (first - second).abs() / (first + second)


def _row_chunks(values: Tensor, chunk_bytes: int) -> list[slice]:
    """Slices of rows whose float64 copy takes about `chunk_bytes` at most."""
    step = max(1, chunk_bytes // (8 * values.shape[1]))
    return [slice(start, start + step) for start in range(0, values.shape[0], step)]
