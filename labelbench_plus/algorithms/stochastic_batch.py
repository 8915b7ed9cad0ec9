"""Stochastic batch acquisition: sample a batch from any acquisition score instead of taking its top n.

Each function draws without replacement, one by one, with probabilities proportional to a weight of the remaining
rows (a Gibbs distribution over scores); the whole sequence is drawn at once as the n largest of log weight + Gumbel
noise. `beta` is the inverse temperature: 0 is uniform sampling, large values approach the top n.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.uncertainty import top_scores


@detached
def power_acquisition(scores: Tensor, n: int, rng: Generator, *, beta: float = 1.0) -> Tensor:
    """Draw rows with probability proportional to score ** beta.

    Rows whose score is exactly zero have no probability; they are drawn, uniformly, only after all others (the paper
    leaves this open). At beta = 0 every row counts the same, as 0 ** 0 = 1.

    Parameters
    ----------
    scores: (N,) floating point, non-negative, higher is better.
    n: how many, 0 <= n <= N.
    rng: consumed for N Gumbel draws, whatever n is.
    beta: inverse temperature, >= 0.

    Returns
    -------
    (n,) long row indices in the order drawn, on the device of `scores`.

    Raises
    ------
    ValueError
        Scores that are not a finite vector, a negative score, n out of range, or beta negative or not finite.

    Complexity: O(N + n log n) time, O(N) memory. Ties: none, with probability one.
    Source: Kirsch et al. (2023, arXiv 2106.12059), section 3, "power acquisition".
    """
    values = _checked(scores, n, beta)
    if (values < 0).any():
        row = int(np.flatnonzero(values < 0)[0])
        raise ValueError(f"power acquisition needs scores >= 0, but row {row} is {values[row]:.6g}")
    noise = rng.gumbel(size=values.shape)
    if beta == 0:
        return _draw(noise, scores, n)
    positive = values > 0
    keys = beta * np.log(values, out=np.zeros_like(values), where=positive) + noise
    # Keys of zero scores are moved below every other key, keeping their own (uniformly random) order.
    ranked = np.lexsort((-keys, ~positive))[:n]
    return torch.from_numpy(ranked).to(scores.device)


@detached
def softmax_acquisition(scores: Tensor, n: int, rng: Generator, *, beta: float = 1.0) -> Tensor:
    """Draw rows with probability proportional to exp(beta * score).

    Parameters
    ----------
    scores: (N,) floating point, higher is better.
    n: how many, 0 <= n <= N.
    rng: consumed for N Gumbel draws, whatever n is.
    beta: inverse temperature, >= 0, in units of 1 / score.

    Returns
    -------
    (n,) long row indices in the order drawn, on the device of `scores`.

    Raises
    ------
    ValueError
        Scores that are not a finite vector, n out of range, or beta negative or not finite.

    Complexity: O(N + n log n) time, O(N) memory. Ties: none, with probability one.
    Source: Kirsch et al. (2023, arXiv 2106.12059), section 3, "softmax acquisition".
    """
    values = _checked(scores, n, beta)
    return _draw(beta * values + rng.gumbel(size=values.shape), scores, n)


@detached
def softrank_acquisition(scores: Tensor, n: int, rng: Generator, *, beta: float = 1.0) -> Tensor:
    """Draw rows with probability proportional to rank ** -beta, where the best score has rank 1.

    Only the order of the scores matters, not their scale.

    Parameters
    ----------
    scores: (N,) floating point, higher is better.
    n: how many, 0 <= n <= N.
    rng: consumed for N Gumbel draws, whatever n is.
    beta: inverse temperature, >= 0.

    Returns
    -------
    (n,) long row indices in the order drawn, on the device of `scores`.

    Raises
    ------
    ValueError
        Scores that are not a finite vector, n out of range, or beta negative or not finite.

    Complexity: O(N log N) time, O(N) memory. Ties: equal scores get successive ranks, the lowest index first.
    Source: Kirsch et al. (2023, arXiv 2106.12059), section 3, "softrank acquisition".
    """
    values = _checked(scores, n, beta)
    ranks = np.empty(values.shape[0])
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, values.shape[0] + 1)
    return _draw(rng.gumbel(size=values.shape) - beta * np.log(ranks), scores, n)


def _checked(scores: Tensor, n: int, beta: float) -> np.ndarray:
    if scores.dim() != 1 or not scores.is_floating_point():
        raise ValueError(f"scores must be a floating-point vector, got {scores.dtype} {tuple(scores.shape)}")
    check_finite(scores, "scores")
    check_count(n, scores.shape[0], "scores")
    if not (beta >= 0 and math.isfinite(beta)):
        raise ValueError(f"beta must be finite and >= 0, got {beta}")
    # Keys are made on the host: every device then draws the same batch from the same generator.
    return scores.detach().double().cpu().numpy()


def _draw(keys: np.ndarray, scores: Tensor, n: int) -> Tensor:
    return top_scores(torch.from_numpy(keys), n).to(scores.device)
