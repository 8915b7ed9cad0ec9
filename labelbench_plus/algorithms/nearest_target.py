"""Nearest-neighbour selection: an item is as good as its best rank among the items nearest to some target."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import row_blocks

DEPTH, BEYOND = 200, 100_000
TILE_BYTES = 64 * 2**20


@detached
def nearest_target_rank(images: Tensor, targets: Tensor, groups: int = 5) -> Tensor:
    """Minus the best rank of each item over the targets, averaged over disjoint groups of targets; higher is better.

    A rank is one plus how many items are strictly more similar to the target, so equal items have equal ranks; beyond
    `DEPTH` it counts as `BEYOND`. The alternative that arXiv 2405.19547 compares NormSim_∞ with; ranks are among the
    rows handed in. Groups are every `groups`-th target: which ones the authors group is not documented (our reading).

    Parameters
    ----------
    images: (n, d). targets: (M, d), M >= 1. Any floating type.

    Returns
    -------
    (n,) float32.

    Raises
    ------
    ValueError
        Something is not finite, there is no target, or the widths differ.
    """
    check_matrix(images, "images")
    check_matrix(targets, "targets")
    if targets.shape[0] == 0 or targets.shape[1] != images.shape[1]:
        raise ValueError(f"targets must be (M, {images.shape[1]}) with M >= 1, got {tuple(targets.shape)}")
    rows = images.shape[0]
    total = torch.zeros(rows, dtype=torch.float64, device=images.device)
    used = min(groups, targets.shape[0])
    for group in range(used):
        best = torch.full((rows,), BEYOND, dtype=torch.long, device=images.device)
        for some in targets[group::used].split(max(1, TILE_BYTES // (4 * max(1, rows)))) if rows else ():
            similarity = _similarities(images, some)
            top = similarity.topk(min(DEPTH, rows), dim=1).values
            target, item = (similarity >= top[:, -1:]).nonzero(as_tuple=True)
            values = similarity[target, item]
            # How many of the target's best are strictly more similar: they are sorted downwards.
            rank = 1 + torch.searchsorted(-top.contiguous()[target], -values[:, None]).squeeze(1)
            best.scatter_reduce_(0, item, rank, "amin")
        total -= best
    return (total / used).float()


def _similarities(images: Tensor, targets: Tensor) -> Tensor:
    """(t, n) float32 products; in blocks of one shape, so that equal items have equal products."""
    single = targets.float()
    products = torch.empty(targets.shape[0], images.shape[0], dtype=torch.float32, device=images.device)
    for part, block in row_blocks(images):
        products[:, part] = (block @ single.T)[: part.stop - part.start].T
    return products
