"""Uncertainty of a generated sequence from the distributions of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.uncertainty import CHUNK_BYTES, shannon_entropy, two_largest

Measure = Literal["entropy", "least_confidence", "margin"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class TokenStatistics:
    """What is kept of the distribution q that each of T tokens was drawn from; all (T,) float64.

    entropy: −Σ q log q, in nats. first, second: the two largest probabilities.
    """

    entropy: Tensor
    first: Tensor
    second: Tensor


@detached
def token_statistics(logits: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> TokenStatistics:
    """Reduce the logits of tokens to three numbers each, so that no T × V array need be kept.

    Parameters
    ----------
    logits: (T, V) floating point, V >= 2: unprocessed scores of the vocabulary, without temperature or truncation.
        The softmax is taken in float32, or in float64 if that is their type.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Raises
    ------
    ValueError
        Not a finite matrix, or fewer than two columns.

    Complexity: O(T V) time, O(T + chunk_bytes) memory.
    """
    check_matrix(logits, "logits")
    tokens, vocabulary = logits.shape
    if vocabulary < 2:
        raise ValueError(f"logits must have at least two columns (words of the vocabulary), got {vocabulary}")
    entropy, first, second = torch.empty(3, tokens, dtype=torch.float64, device=logits.device)
    step = max(1, chunk_bytes // (8 * vocabulary))
    for start in range(0, tokens, step):
        where = slice(start, start + step)
        part = logits[where].to(torch.promote_types(logits.dtype, torch.float32)).softmax(dim=1)
        entropy[where] = shannon_entropy(part).double()
        largest, next_largest = two_largest(part)
        first[where], second[where] = largest.double(), next_largest.double()
    return TokenStatistics(entropy, first, second)


@detached
def max_uncertainty(statistics: TokenStatistics, lengths: Tensor, *, measure: Measure = "margin") -> Tensor:
    """Uncertainty of the most uncertain token of every sequence; higher is more uncertain.

    Parameters
    ----------
    statistics: of the tokens of all sequences, one sequence after another.
    lengths: (n,) integers, how many tokens each sequence has, all at least 1 (an end-of-sequence token is a token).
    measure: of a token: its entropy, one minus its largest probability, or one minus its margin. The last ranks
        sequences by their smallest margin, "min margin".

    Returns
    -------
    (n,) float64.

    Raises
    ------
    ValueError
        Statistics that are not finite, lengths below 1 or not summing to the number of tokens, or an unknown measure.

    Complexity: O(T) time and memory. Ties: equal sequences score equally.
    Source: Bhatt et al. (2024, arXiv 2401.06692), "maximum token uncertainty" and "min margin"; that the tokens are
    those of the model's own greedy continuation is our reading.
    """
    values = {
        "entropy": lambda: statistics.entropy,
        "least_confidence": lambda: 1 - statistics.first,
        "margin": lambda: 1 - (statistics.first - statistics.second),
    }[_known(measure)]()
    _check(values, lengths)
    sequence = torch.repeat_interleave(lengths.to(values.device))
    most = torch.empty(len(lengths), dtype=torch.float64, device=values.device)
    return most.scatter_reduce_(0, sequence, values, "amax", include_self=False)


@detached
def mean_uncertainty(statistics: TokenStatistics, lengths: Tensor, *, measure: Measure = "entropy") -> Tensor:
    """Uncertainty of every sequence over all of its tokens; higher is more uncertain.

    Parameters
    ----------
    statistics, lengths: as of `max_uncertainty`. "least_confidence" takes the largest probability for that of the
        token that was written, which it is where decoding is greedy.
    measure: the mean entropy (1/L) Σ H(q), one minus the mean margin 1 − (1/L) Σ (q⁽¹⁾ − q⁽²⁾), or for
        "least_confidence" −Σ log q⁽¹⁾: the sequence's own negative log probability, not divided by its length.

    Returns
    -------
    (n,) float64.

    Raises
    ------
    ValueError
        As `max_uncertainty`.

    Complexity: O(T) time and memory. Ties: equal sequences score equally.
    Source: Bhatt et al. (2024, arXiv 2401.06692), "mean entropy", "least confidence" and "mean margin"; that the tokens
    are those of the model's own greedy continuation is our reading.
    """
    values = {
        "entropy": lambda: statistics.entropy,
        "least_confidence": lambda: -statistics.first.log(),
        "margin": lambda: 1 - (statistics.first - statistics.second),
    }[_known(measure)]()
    _check(values, lengths)
    sequence = torch.repeat_interleave(lengths.to(values.device))
    total = torch.zeros(len(lengths), dtype=torch.float64, device=values.device).index_add_(0, sequence, values)
    return total if measure == "least_confidence" else total / lengths.to(values.device)


def _known(measure: Measure) -> Measure:
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}: choose one of {', '.join(MEASURES)}")
    return measure


def _check(values: Tensor, lengths: Tensor) -> None:
    check_finite(values, "statistics")
    if lengths.dim() != 1 or lengths.is_floating_point():
        raise ValueError(f"lengths must be a vector of integers, got shape {tuple(lengths.shape)} of {lengths.dtype}")
    if bool((lengths < 1).any()):
        raise ValueError(
            f"every sequence needs at least one token, but sequence {int((lengths < 1).nonzero()[0])} has none"
        )
    if int(lengths.sum()) != len(values):
        raise ValueError(f"lengths sum to {int(lengths.sum())}, but there are statistics of {len(values)} tokens")
