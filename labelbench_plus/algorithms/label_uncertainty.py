"""How unsure a model is of an item's labels, where an item can have several."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.uncertainty import CHUNK_BYTES


@detached
def mean_binary_entropy(probabilities: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Mean over labels of the entropy of each label's Bernoulli distribution, in nats; higher is more uncertain.

    K times it is the entropy of the whole label set if labels are independent given the item.

    Parameters
    ----------
    probabilities: (n, K) floating point in 0..1, of each label on its own.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (n,) float64.

    Raises
    ------
    ValueError
        Not a finite matrix, or a value outside 0..1.

    Complexity: O(n K) time, O(n + chunk_bytes) memory. Ties: equal rows score equally.
    """
    _check(probabilities)
    out = torch.empty(len(probabilities), dtype=torch.float64, device=probabilities.device)
    step = max(1, chunk_bytes // (4 * 8 * probabilities.shape[1]))
    for start in range(0, len(out), step):
        part = probabilities[start : start + step].double()
        entropy = -(torch.xlogy(part, part) + torch.xlogy(1 - part, 1 - part))
        out[start : start + step] = entropy.mean(dim=1)
    return out


@detached
def binary_minimum(probabilities: Tensor) -> Tensor:
    """Distance from 1/2 of the label that is closest to it; LOWER is more uncertain.

    Parameters
    ----------
    probabilities: (n, K) floating point in 0..1, of each label on its own.

    Returns
    -------
    (n,) float64, from 0 to 1/2.

    Raises
    ------
    ValueError
        Not a finite matrix, or a value outside 0..1.

    Complexity: O(n K) time and, for the distances, memory. Ties: equal rows score equally.
    Source: Brinker, On active learning in multi-label classification (2006): the smallest distance to a label's
    decision boundary. His are of support vector machines; this reads probabilities.
    """
    _check(probabilities)
    return (probabilities - 0.5).abs().amin(dim=1).double()


def _check(probabilities: Tensor) -> None:
    check_matrix(probabilities, "probabilities")
    if probabilities.shape[1] < 1:
        raise ValueError("probabilities must have at least one column, a label")
    if len(probabilities):
        low, high = torch.aminmax(probabilities)
        if float(low) < 0 or float(high) > 1:
            raise ValueError(f"probabilities must lie in 0..1, got {float(low):g}..{float(high):g}")
