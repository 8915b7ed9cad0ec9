"""NormSim: the p-norm of an item's similarities to all targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS, score_rows
from labelbench_plus.algorithms.blocks.second_moment import gram
from labelbench_plus.algorithms.variance_alignment import variance_alignment

TARGET_BLOCK = 1024
"""Targets of a tile: 2 MB of products, still in cache when their largest is looked for."""


@detached
def norm_sim(images: Tensor, targets: Tensor, p: float = math.inf) -> Tensor:
    """NormSim_p(i) = (Σ_t |f_i · t|^p)^(1/p); at p = ∞, max_t |f_i · t| (Wang et al., arXiv 2405.19547).

    p = 2 goes through TᵀT, as NormSim_2(i)² = f_iᵀ (TᵀT) f_i: its cost does not grow with the number of targets
    beyond one pass over them. Any other p looks at every pair, a tile of `BLOCK_ROWS` × `TARGET_BLOCK` at a time.

    Parameters
    ----------
    images: (n, d) vectors f_i, any floating type, taken as they are.
    targets: (M, d) vectors t; M >= 1.
    p: at least 1.

    Returns
    -------
    (n,) float32; products are in single precision, sums of powers in double.

    Raises
    ------
    ValueError
        Anything is not finite, there is no target, the widths differ, or p < 1.
    """
    check_matrix(images, "images")
    check_matrix(targets, "targets")
    if targets.shape[0] == 0 or targets.shape[1] != images.shape[1]:
        raise ValueError(f"targets must be (M, {images.shape[1]}) with M >= 1, got {tuple(targets.shape)}")
    if not p >= 1:
        raise ValueError(f"p must be at least 1, got {p}")
    if p == 2:
        return norm_sim_2(images, gram(targets, torch.float32))
    width = min(TARGET_BLOCK, targets.shape[0])
    tile = torch.empty(BLOCK_ROWS, width, dtype=torch.float32, device=images.device)
    wide = torch.empty(width, images.shape[1], dtype=torch.float32, device=images.device)
    kept = torch.zeros(images.shape[0], dtype=torch.float32 if p == math.inf else torch.float64, device=images.device)
    # Targets outside, rows inside: each block of targets is made single precision once.
    for start in range(0, targets.shape[0], width):
        stop = min(start + width, targets.shape[0])
        wide[: stop - start].copy_(targets[start:stop])
        wide[stop - start :].zero_()  # a target of zeros adds nothing to any norm
        if p == math.inf:
            kept = torch.maximum(kept, score_rows(images, lambda block: _largest(block, wide, tile)))
        else:
            kept += score_rows(images, lambda block: _power_sum(block, wide, tile, p)).double()
    return kept if p == math.inf else kept.pow_(1 / p).float()


@detached
def norm_sim_2(images: Tensor, targets_gram: Tensor) -> Tensor:
    """NormSim_2 from TᵀT (d, d): (n,) float32."""
    return variance_alignment(images, targets_gram).clamp_(min=0).sqrt_()


def _largest(block: Tensor, targets: Tensor, tile: Tensor) -> Tensor:
    torch.mm(block, targets.T, out=tile)
    return torch.maximum(tile.amax(dim=1), tile.amin(dim=1).neg_())  # on CPUs ten times as fast as aminmax


def _power_sum(block: Tensor, targets: Tensor, tile: Tensor, p: float) -> Tensor:
    torch.mm(block, targets.T, out=tile)
    tile.abs_()
    return (tile if p == 1 else tile.pow_(p)).sum(dim=1)
