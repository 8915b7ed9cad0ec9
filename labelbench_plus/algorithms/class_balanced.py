"""Class-balanced random sampling without an oracle: balance over the classes a model predicts."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.algorithms.blocks.detached import detached


@detached
def class_balanced_random(predicted: Tensor, n: int, rng: Generator) -> Tensor:
    """Draw as evenly as possible from every predicted class, uniformly within a class.

    Round-robin: each round takes one random remaining row of every class that has one left, the classes of a round
    in random order; the last, incomplete round therefore takes its remainder from a uniformly random subset of
    those classes. No class is ahead of another by more than one row unless the other is used up. Predictions stand
    in for labels, which are not known: a class the model never predicts is never balanced in.

    Parameters
    ----------
    predicted: (N,) integer class of every candidate.
    n: how many, 0 <= n <= N.
    rng: consumed for two permutations of N, whatever n is.

    Returns
    -------
    (n,) long row indices in the order drawn, on the device of `predicted`.

    Raises
    ------
    ValueError
        Predictions that are not a vector of integers, or n out of range.

    Complexity: O(N log N) time, O(N) memory. Ties: none; every choice is drawn.
    Source: the usual class-balanced baseline of studies of imbalanced pools, with predicted instead of true
    classes.
    """
    if predicted.dim() != 1 or predicted.is_floating_point() or predicted.dtype == torch.bool:
        raise ValueError(f"predicted must be an integer vector, got {predicted.dtype} {tuple(predicted.shape)}")
    total = predicted.shape[0]
    check_count(n, total)
    classes = predicted.cpu().numpy()
    shuffled = rng.permutation(total)
    grouped = shuffled[np.argsort(classes[shuffled], kind="stable")]
    sizes = np.unique(classes, return_counts=True)[1]
    # The round in which a row is taken is its place in its class's shuffled order.
    rounds = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.lexsort((rng.permutation(total), rounds))[:n]
    return torch.from_numpy(grouped[order]).to(predicted.device)
