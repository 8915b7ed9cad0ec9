"""negCLIPLoss: a pair's CLIP score, less what its image and its text score with everybody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.variance_alignment import row_products

Remainder = Literal["offdiag", "authors", "balanced"]

TILE = 1024
SHIFT = 0.5
"""Subtracted from every similarity before exp: at a temperature of 0.01 those in [-0.37, 1.38] then stay in range."""

SAFE = (1e-24, 1e37)
"""Sums between these lost nothing to under- or overflow; others are done again with a shift of their own."""


def cut_batches(order: np.ndarray, size: int, remainder: Remainder) -> list[np.ndarray]:
    """Cut a permutation of rows into the batches of one draw.

    ceil(n / size) consecutive pieces: all of `size` but the last, or for "balanced" as equal as can be.
    """
    count = -(-len(order) // size)
    if remainder == "balanced":
        return np.array_split(order, count) if count else []
    return [order[start : start + size] for start in range(0, len(order), size)]


@detached
def neg_clip_loss(
    images: Tensor,
    texts: Tensor,
    draws: Sequence[Sequence[np.ndarray]],
    *,
    temperature: float = 0.01,
    batch: int | None = None,
) -> Tensor:
    """negCLIPLoss(i) = f_i·g_i − (1/K) Σ_k R_k(i) (Wang et al., arXiv 2405.19547); higher is better, never above 0.

        R_b(i) = (τ/2) · [log Σ_{j∈b} exp(f_i·g_j/τ) + log Σ_{j∈b} exp(f_j·g_i/τ)]

    which is −τ times the symmetric contrastive loss of the teacher, averaged over K random batchings. Similarities
    are computed a tile of 1024² at a time and never kept.

    Parameters
    ----------
    images, texts: (n, d) vectors, any floating type, taken as they are.
    draws: for each of K draws its batches, a partition of the rows; see `cut_batches`.
    temperature: τ.
    batch: the size that a full batch has. In a smaller one the sum over the others, j ≠ i, is multiplied by
        (batch − 1)/(size − 1), as if it were full; None leaves it as it is, as the authors do.

    Returns
    -------
    (n,) float32.

    Raises
    ------
    ValueError
        Something is not finite, shapes differ, τ is not positive, or a draw is no partition of the rows.
    """
    _check(images, texts, temperature)
    rows = images.shape[0]
    if not draws:
        raise ValueError("at least one draw is needed")
    for number, batches in enumerate(draws):
        listed = np.concatenate([np.empty(0, dtype=np.int64), *batches])
        if len(listed) != rows or (rows and not np.array_equal(np.sort(listed), np.arange(rows))):
            raise ValueError(f"draw {number} is no partition of the {rows} rows")
    own = row_products(images, texts).double()
    total = torch.zeros(rows, dtype=torch.float64, device=images.device)
    for batches in draws:
        for members in batches:
            index = torch.as_tensor(members, dtype=torch.long, device=images.device)
            total[index] += normaliser(images[index], texts[index], own[index], temperature, batch)
    return (own - total / len(draws)).clamp_(max=0).float()  # the exact value is at most 0, rounding may pass it


@detached
def normaliser(images: Tensor, texts: Tensor, own: Tensor, temperature: float, batch: int | None) -> Tensor:
    """R_b of one batch, (m,) float64.

    Parameters
    ----------
    own: (m,) float64, f_i · g_i.
    batch: as for `neg_clip_loss`.
    """
    size = images.shape[0]
    factor = (batch - 1) / (size - 1) if batch is not None and 1 < size < batch else 1.0
    of_images, of_texts = _sums_over_others(images, texts, temperature)
    logs = [
        _log_sums(sums, own, (images, texts) if side == 0 else (texts, images), temperature, factor)
        for side, sums in enumerate((of_images, of_texts))
    ]
    return (logs[0] + logs[1]).mul_(temperature / 2)


def _sums_over_others(left: Tensor, right: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Σ_{j≠i} exp((s_ij − SHIFT)/τ) along rows and along columns of the similarities, (m,) float64 each."""
    size = left.shape[0]
    along_rows = torch.zeros(size, dtype=torch.float64, device=left.device)
    along_columns = torch.zeros_like(along_rows)
    shift = torch.full((), -SHIFT / temperature, device=left.device)
    space = torch.empty(min(TILE, size) ** 2, device=left.device)
    for top in range(0, size, TILE):
        some = left[top : top + TILE].float()  # a tile at a time: the batch stays in its stored precision
        for start in range(0, size, TILE):
            others = right[start : start + TILE].float()
            tile = space[: len(some) * len(others)].view(len(some), len(others))
            torch.addmm(shift, some, others.T, alpha=1 / temperature, out=tile)
            if top == start:
                tile.fill_diagonal_(-torch.inf)
            tile.exp_()
            along_rows[top : top + TILE] += tile.sum(dim=1)
            along_columns[start : start + TILE] += tile.sum(dim=0)
    return along_rows, along_columns


def _log_sums(sums: Tensor, own: Tensor, sides: tuple[Tensor, Tensor], temperature: float, factor: float) -> Tensor:
    """log(exp(own/τ) + factor · Σ_{j≠i} exp(s_ij/τ)), (m,) float64."""
    others = sums.log().add_(SHIFT / temperature)
    # Beside a pair's own similarity above the shift, what others lost to underflow does not matter.
    unsafe = ((sums < SAFE[0]) & (own < SHIFT)) | ~(sums < SAFE[1])
    if sums.shape[0] > 1 and bool(unsafe.any()):
        rows = unsafe.nonzero()[:, 0]
        for some in rows.split(max(1, TILE * TILE // sums.shape[0])):
            logits = (sides[0][some].float() @ sides[1].float().T).double().div_(temperature)
            logits[torch.arange(len(some), device=some.device), some] = -torch.inf
            others[some] = logits.logsumexp(dim=1)
    return torch.logaddexp(own / temperature, others + float(np.log(factor)))


def _check(images: Tensor, texts: Tensor, temperature: float) -> None:
    check_matrix(images, "images")
    check_matrix(texts, "texts")
    if images.shape != texts.shape:
        raise ValueError(f"images {tuple(images.shape)} and texts {tuple(texts.shape)} must have the same shape")
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, got {temperature}")
