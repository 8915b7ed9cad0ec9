"""Variance Alignment Score: how far an item lies along the directions in which a target varies."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS, row_blocks, score_rows

COLUMN_BLOCK = 128


@detached
def variance_alignment(images: Tensor, moment: Tensor, others: Tensor | None = None) -> Tensor:
    """VAS(i) = f_iᵀ Σ h_i (Wang et al., arXiv 2402.02055), with h = f unless `others` are given.

    Parameters
    ----------
    images: (n, d) vectors f_i, any floating type, taken as they are: not normalised again.
    moment: (d, d) Σ, symmetric: the uncentred second moment of the target, (1/M) Σ_t t tᵀ.
    others: (n, d) vectors h_i, the texts' for the cross-modal score.

    Returns
    -------
    (n,) float32. Between 0 and λ_max(Σ)·‖f_i‖² where h = f. Products are in single precision.

    Raises
    ------
    ValueError
        Anything is not finite, or the shapes do not fit.
    """
    check_matrix(images, "images")
    check_matrix(moment, "moment")
    width = images.shape[1]
    if moment.shape != (width, width):
        raise ValueError(f"moment must be ({width}, {width}) as images have {width} columns, got {tuple(moment.shape)}")
    single = moment.to(device=images.device, dtype=torch.float32)
    if others is None:
        return _quadratic_forms(images, single)
    check_matrix(others, "others")
    if others.shape != images.shape:
        raise ValueError(f"others must have the images' shape {tuple(images.shape)}, got {tuple(others.shape)}")
    scores = torch.empty(images.shape[0], dtype=torch.float32, device=images.device)
    for (part, block), (_, other) in zip(row_blocks(images), row_blocks(others), strict=True):
        scores[part] = (block @ single).mul_(other).sum(dim=1)[: part.stop - part.start]
    return scores


def _quadratic_forms(images: Tensor, matrix: Tensor) -> Tensor:
    """f_iᵀ A f_i, (n,) float32. What lies below the diagonal is added to what lies above: two products in five less."""
    ends = range(COLUMN_BLOCK, images.shape[1] + COLUMN_BLOCK, COLUMN_BLOCK)
    parts = [slice(end - COLUMN_BLOCK, min(end, images.shape[1])) for end in ends]
    upper = [torch.cat([matrix[: p.start, p] + matrix[p, : p.start].T, matrix[p, p]]) for p in parts]
    products = torch.empty(BLOCK_ROWS, images.shape[1], dtype=torch.float32, device=images.device)

    def score(block: Tensor) -> Tensor:
        for part, columns in zip(parts, upper, strict=True):
            torch.mm(block[:, : part.stop], columns, out=products[:, part])
        return products.mul_(block).sum(dim=1)

    return score_rows(images, score)


@detached
def row_products(images: Tensor, texts: Tensor) -> Tensor:
    """f_i · g_i, (n,) float32: the CLIP score of stored vectors, not normalised again."""
    scores = torch.empty(images.shape[0], dtype=torch.float32, device=images.device)
    for (part, block), (_, other) in zip(row_blocks(images), row_blocks(texts), strict=True):
        scores[part] = (block * other).sum(dim=1)[: part.stop - part.start]
    return scores
