"""Round robin: groups take turns, and each puts forward its best rows first."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite
from labelbench_plus.algorithms.blocks.detached import detached


@detached
def round_robin(groups: Tensor, scores: Tensor, n: int, *, taken: Tensor | None = None) -> Tensor:
    """Pick `n` rows, each time of the group of which least was picked so far, and in it the row with the highest score.

    Parameters
    ----------
    groups: (N,) integers.
    scores: (N,) real numbers.
    n: how many, 0 <= n <= N.
    taken: (L,) the groups of rows that were picked before; they count as picked.

    Returns
    -------
    (n,) int64 row indices in pick order. The first k of them are what k would have been.

    Raises
    ------
    ValueError
        Scores that are not finite, shapes that do not fit, n out of range.

    Complexity: O(N log N) time, O(N) memory. Ties: the lower group first, then the lower index.
    """
    if groups.dim() != 1 or groups.is_floating_point() or groups.shape != scores.shape:
        raise ValueError(
            f"groups must be integers, one per score, got {tuple(groups.shape)} of {groups.dtype} and "
            f"{tuple(scores.shape)} scores"
        )
    check_finite(scores, "scores")
    check_count(n, len(scores))
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=groups.device)
    both = groups if taken is None else torch.cat([groups, taken.to(groups)])
    number = both.unique(return_inverse=True)[1]
    group, before = number[: len(groups)], torch.bincount(number[len(groups) :], minlength=int(number.max()) + 1)
    order = scores.argsort(descending=True, stable=True)
    order = order[group[order].argsort(stable=True)]  # by group, in each by score
    sizes = torch.bincount(group, minlength=len(before))
    place = torch.arange(len(order), device=order.device) - (sizes.cumsum(0) - sizes)[group[order]]
    level = place + before[group[order]]
    return order[level.argsort(stable=True)][:n]  # equal levels stay in the order of groups
