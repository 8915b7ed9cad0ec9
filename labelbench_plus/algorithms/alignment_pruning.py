"""Greedy removal of the rows least aligned with the rest: VAS-D, also called NormSim_2-D."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS, score_rows
from labelbench_plus.algorithms.blocks.second_moment import gram

GATHERED_ROWS = 32 * BLOCK_ROWS
"""Rows copied out of the pool at a time."""

ROUNDING = 1e-12
"""Share of a score by which bounds are widened, for the rounding of sums in double precision."""


def removal_sizes(rows: int, n: int, rounds: int) -> list[int]:
    """How many rows remain after each of `rounds` rounds: ceil((rows − n)/rounds) fewer each time, never below n.

    The released program lacks the lower bound and fails where the steps overshoot.
    """
    step = -(-(rows - n) // rounds)
    return [n if number == rounds else max(n, rows - number * step) for number in range(1, rounds + 1)]


@detached
def prune_by_alignment(
    images: Tensor, n: int, rounds: int, *, start: Tensor | None = None, lazy: bool = True
) -> tuple[Tensor, Tensor]:
    """Remove, in `rounds` rounds, the rows with the lowest f_iᵀ A f_i, A being the Gram matrix of what is left.

    A greedy way to a large tr(Σ_S²) (VAS-D, Wang et al., arXiv 2402.02055; NormSim_2-D of arXiv 2405.19547): no target
    is needed. After each round the removed rows' outer products are subtracted from A. As A can only shrink, an old
    score is an upper bound, and less what the removed rows' largest eigenvalue allows a lower one: with `lazy` only
    rows whose bounds leave it open whether they go are scored again. Both ways remove the same rows.

    Parameters
    ----------
    images: (m, d) vectors, any floating type.
    n: how many to keep.
    rounds: T. With one round it is VAS with `start` as the target.
    start: (d, d) the matrix of the first round, of a set that contains these rows (the whole pool, as released); the
        rows' own Gram matrix if None. Only its direction matters.

    Returns
    -------
    removed_in: (m,) long, the round, from 1, in which a row was removed; rounds + 1 for those that are kept. Rows with
        equal scores are removed from the end.
    left: (d, d) float64, the Gram matrix of what is kept.

    Raises
    ------
    ValueError
        Something is not finite, the sizes do not fit, or rounds < 1.
    """
    check_matrix(images, "images")
    check_count(n, images.shape[0], "rows")
    if rounds < 1:
        raise ValueError(f"at least one round is needed, got {rounds}")
    rows = images.shape[0]
    left = gram(images)
    if start is not None:
        check_matrix(start, "start")
        if start.shape != left.shape:
            raise ValueError(f"start must be {tuple(left.shape)}, got {tuple(start.shape)}")
    first = left if start is None else start.double()
    removed_in = torch.full((rows,), rounds + 1, dtype=torch.long, device=images.device)
    alive = torch.arange(rows, device=images.device)
    upper = _scores(images, first)  # exact now
    slack = torch.zeros_like(upper)  # how far below `upper` a score may be
    norms = score_rows(images, lambda block: block.square().sum(dim=1), torch.float64)
    for number, keep in enumerate(removal_sizes(rows, n, rounds), start=1):
        drop = len(alive) - keep
        if drop > 0:
            if number > 1:
                doubtful = _may_go(upper[alive], slack[alive], drop) if lazy else slice(None)
                again = alive[doubtful]
                upper[again], slack[again] = _scores(images, left, again), 0.0
            # Those that cannot go have upper bounds above all that go, so sorting by upper bounds finds the same.
            worst_first = torch.argsort(upper[alive].flip(0), stable=True)[:drop]
            gone = alive.flip(0)[worst_first]
            removed_in[gone] = number
            alive = alive[removed_in[alive] > rounds]
            taken = _gram_of(images, gone)
            left = left - taken
            if number == 1 and start is not None:
                # From the starting matrix to the rows' own: their difference is not bounded by what was removed.
                upper[alive] = torch.inf
                slack[alive] = torch.inf
            else:
                slack += float(torch.linalg.eigvalsh(taken)[-1]) * norms
    return removed_in, left


def _scores(images: Tensor, matrix: Tensor, rows: Tensor | None = None) -> Tensor:
    """f_iᵀ A f_i in double precision, of some rows or all: a row's is the same whichever others are asked for."""
    if rows is None:
        return score_rows(images, lambda block: (block @ matrix).mul_(block).sum(dim=1), torch.float64)
    parts = [_scores(images[some], matrix) for some in rows.split(GATHERED_ROWS)]
    return torch.cat(parts) if parts else images.new_empty(0, dtype=torch.float64)


def _gram_of(images: Tensor, rows: Tensor) -> Tensor:
    total = torch.zeros(images.shape[1], images.shape[1], dtype=torch.float64, device=images.device)
    for some in rows.split(GATHERED_ROWS):
        total += gram(images[some])
    return total


def _may_go(upper: Tensor, slack: Tensor, drop: int) -> Tensor:
    """Which rows may be among the `drop` lowest, given bounds of all."""
    if not bool(torch.isfinite(slack).any()):
        return torch.ones_like(upper, dtype=torch.bool)
    limit = upper.kthvalue(drop).values
    rounding = ROUNDING * upper.abs().clamp(max=torch.finfo(torch.float64).max)
    return upper - slack - rounding <= limit
