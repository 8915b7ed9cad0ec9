"""Classical designs by batched greedy removal: drop the rows that a design criterion misses least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from labelbench_plus.algorithms.alignment_pruning import GATHERED_ROWS, removal_sizes
from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import score_rows
from labelbench_plus.algorithms.blocks.second_moment import gram

Criterion = Literal["a", "d", "v"]


@detached
def prune_by_design(
    images: Tensor,
    n: int,
    rounds: int,
    criterion: Criterion,
    *,
    moment: Tensor | None = None,
    ridge: float = 1e-3,
) -> Tensor:
    """Remove, in `rounds` rounds, the rows whose removal costs an experimental design least.

    With A = Σ_S f fᵀ + ridge·I over what is left and h_i = f_iᵀA⁻¹f_i, taking row i away costs (Sherman and Morrison):
    "a" f_iᵀA⁻²f_i/(1 − h_i), the trace of A⁻¹; "v" f_iᵀA⁻¹ΣA⁻¹f_i/(1 − h_i), the mean variance over a target of second
    moment Σ; "d" −log(1 − h_i), the log-determinant of A.

    Parameters
    ----------
    images: (m, d) vectors, any floating type.
    n: how many to keep.
    moment: (d, d) Σ, for "v" alone.
    ridge: positive; in units of squared vectors.

    Returns
    -------
    removed_in: (m,) long, as in `prune_by_alignment`.

    Raises
    ------
    ValueError
        Something is not finite, sizes do not fit, or `moment` is missing for "v" or given for another criterion.
    """
    check_matrix(images, "images")
    check_count(n, images.shape[0], "rows")
    if (criterion == "v") != (moment is not None):
        raise ValueError(f"criterion {criterion!r}: a target's second moment is for 'v', and 'v' needs one")
    if rounds < 1 or not ridge > 0:
        raise ValueError(f"rounds must be at least 1 and ridge positive, got {rounds} and {ridge}")
    rows, width = images.shape
    target = None if moment is None else check_matrix(moment, "moment").double()
    identity = torch.eye(width, dtype=torch.float64, device=images.device)
    removed_in = torch.full((rows,), rounds + 1, dtype=torch.long, device=images.device)
    alive = torch.arange(rows, device=images.device)
    information = gram(images) + ridge * identity
    for number, keep in enumerate(removal_sizes(rows, n, rounds), start=1):
        drop = len(alive) - keep
        if drop <= 0:
            continue
        inverse = torch.linalg.inv(information)
        inverse = (inverse + inverse.T) / 2
        middle = {"a": inverse @ inverse, "v": inverse if target is None else inverse @ target @ inverse, "d": None}
        cost = _cost(inverse, middle[criterion])
        costs = torch.cat([score_rows(images[some], cost, torch.float64) for some in alive.split(GATHERED_ROWS)])
        gone = alive.flip(0)[torch.argsort(costs.flip(0), stable=True)[:drop]]
        removed_in[gone] = number
        alive = alive[removed_in[alive] > rounds]
        for some in gone.split(GATHERED_ROWS):
            information = information - gram(images[some])
    return removed_in


def _cost(inverse: Tensor, middle: Tensor | None) -> Callable[[Tensor], Tensor]:
    def cost(block: Tensor) -> Tensor:
        # A row that alone spans a direction has h = 1 up to rounding: it costs very much, not infinitely or less.
        missing = (1 - (block @ inverse).mul_(block).sum(dim=1)).clamp_(min=1e-12)
        return -missing.log() if middle is None else (block @ middle).mul_(block).sum(dim=1).div_(missing)

    return cost
