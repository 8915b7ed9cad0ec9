"""negCLIPLoss against one fixed bank of reference pairs instead of random batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS, row_blocks
from labelbench_plus.algorithms.neg_clip_loss import SAFE, SHIFT, TILE
from labelbench_plus.algorithms.variance_alignment import row_products


@detached
def neg_clip_loss_bank(
    images: Tensor,
    texts: Tensor,
    bank_images: Tensor,
    bank_texts: Tensor,
    *,
    batch: int,
    places: Tensor | None = None,
    temperature: float = 0.01,
) -> Tensor:
    """negCLIPLoss with the same reference pairs for every row: deterministic, and no other row changes a row's score.

        f_i·g_i − (τ/2) · Σ_sides log[exp(f_i·g_i/τ) + (batch − 1) · mean_{j∈bank, j≠i} exp(s_ij/τ)]

    with s_ij = f_i·g_j on one side and f_j·g_i on the other. It estimates what `neg_clip_loss` does, the loss of a
    teacher in a batch of that size (Wang et al., arXiv 2405.19547), from one draw that all rows share. A *different
    estimator*: with bank and batch the whole pool both are the same number, otherwise not. The idea of a bank is ours.

    Parameters
    ----------
    images, texts: (n, d) vectors, any floating type, taken as they are.
    bank_images, bank_texts: (R, d), the reference pairs.
    batch: how many pairs a batch has, at least 1.
    places: (n,) long, where in the bank a row itself is, or -1; None if no row is in it.
    temperature: τ.

    Returns
    -------
    (n,) float32. Memory: tiles of `BLOCK_ROWS` × 1024; blocks of rows are whole, so pieces of whole blocks give the
    same bits as all rows at once.

    Raises
    ------
    ValueError
        Something is not finite, shapes differ, τ is not positive, or a row has no reference but itself.
    """
    given = {"images": images, "texts": texts, "bank_images": bank_images, "bank_texts": bank_texts}
    for name, values in given.items():
        check_matrix(values, name)
    if images.shape != texts.shape or bank_images.shape != bank_texts.shape or images.shape[1] != bank_images.shape[1]:
        shapes = [tuple(values.shape) for values in given.values()]
        raise ValueError(f"images and texts must be (n, d) and both sides of the bank (R, d), got {shapes}")
    if not temperature > 0 or batch < 1:
        raise ValueError(f"temperature must be positive and batch at least 1, got {temperature} and {batch}")
    rows, size = images.shape[0], bank_images.shape[0]
    at = torch.full((rows,), -1, device=images.device) if places is None else places.to(images.device)
    others = (size - (at >= 0).long()).double()
    if batch > 1 and rows and float(others.min()) < 1:
        raise ValueError("the bank must have a pair besides the row itself")
    own = row_products(images, texts).double()
    total = torch.zeros(rows, dtype=torch.float64, device=images.device)
    for left, right in ((images, bank_texts), (texts, bank_images)):
        logs = _log_sums(left, right, at, own, temperature) + torch.log((batch - 1) / others.clamp(min=1))
        total += torch.logaddexp(own / temperature, logs)
    return (own - total * (temperature / 2)).clamp_(max=0).float()


def _log_sums(left: Tensor, right: Tensor, at: Tensor, own: Tensor, temperature: float) -> Tensor:
    """log Σ_{j≠i} exp(l_i·r_j/τ), (n,) float64."""
    logs = torch.empty(left.shape[0], dtype=torch.float64, device=left.device)
    shift = torch.full((), -SHIFT / temperature, device=left.device)
    space = torch.empty(BLOCK_ROWS * min(TILE, right.shape[0]), device=left.device)
    for part, block in row_blocks(left):
        sums = torch.zeros(BLOCK_ROWS, dtype=torch.float64, device=left.device)
        inside = at[part]
        for start in range(0, right.shape[0], TILE):
            references = right[start : start + TILE].float()
            tile = space[: BLOCK_ROWS * len(references)].view(BLOCK_ROWS, len(references))
            torch.addmm(shift, block, references.T, alpha=1 / temperature, out=tile)
            here = ((inside >= start) & (inside < start + len(references))).nonzero()[:, 0]
            tile[here, inside[here] - start] = -math.inf
            sums += tile.exp_().sum(dim=1)
        count = part.stop - part.start
        logs[part] = sums[:count].log() + SHIFT / temperature
        # Beside a pair's own similarity above the shift, what others lost to underflow does not matter.
        unsafe = ((sums[:count] < SAFE[0]) & (own[part] < SHIFT)) | ~(sums[:count] < SAFE[1])
        for rows in (unsafe.nonzero()[:, 0] + part.start).split(max(1, TILE * TILE // right.shape[0])):
            logits = (left[rows].float() @ right.float().T).double().div_(temperature)
            here = (at[rows] >= 0).nonzero()[:, 0]
            logits[here, at[rows][here]] = -math.inf
            logs[rows] = logits.logsumexp(dim=1)
    return logs
