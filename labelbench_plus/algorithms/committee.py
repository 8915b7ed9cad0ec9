"""Committees: the variance of their predictions, how far their members would move the model, the spread of votes."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import row_chunks, squared_norms
from labelbench_plus.algorithms.uncertainty import shannon_entropy

CHUNK_BYTES = 16 * 2**20


@detached
def committee_variance(member_predictions: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Variance of the members' predictions for every row: query by committee asks where it is largest.

    Parameters
    ----------
    member_predictions: (K, N) floating point, K >= 1.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64: the mean squared distance of the members to their mean (divided by K, not K − 1).

    Raises
    ------
    ValueError
        No member, not a matrix or not finite.

    Notes
    -----
    O(K N) time. Ties: equal rows score equally. Source: Burbidge, Rowland and King (2007), "Active learning for
    regression based on query by committee".
    """
    _check_members(member_predictions)
    members, rows = member_predictions.shape
    out = torch.empty(rows, dtype=torch.float64, device=member_predictions.device)
    for chunk in row_chunks(rows, 16 * members, chunk_bytes):
        # Members one after the other, so that the sum of a row does not depend on its neighbours.
        block = member_predictions[:, chunk].to(torch.float64)
        mean = sum(block) / members
        out[chunk] = sum((member - mean).square_() for member in block) / members
    return out


@detached
def expected_model_change(
    predictions: Tensor, member_predictions: Tensor, features: Tensor, *, chunk_bytes: int = CHUNK_BYTES
) -> Tensor:
    """How far one gradient step would move a linear model on average, if a member were right about the label.

    The gradient of the squared error at (z, y) with respect to the weights is (f(z) − y) z; the members' predictions
    stand for the label y. The score is the mean over members of |f(z) − f_k(z)| ‖z‖.

    Parameters
    ----------
    predictions: (N,) floating point, f of the candidates.
    member_predictions: (K, N) floating point, K >= 1, f_k.
    features: (N, d) floating point, what the model is linear in: with a constant 1 if it has an intercept.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64. A batch is the n largest (`top_scores`): the model is not updated in between, since which label to
    assume would have to be made up.

    Raises
    ------
    ValueError
        Shapes that do not match, no member, or not finite.

    Notes
    -----
    O(N (K + d)) time. Ties: equal rows score equally. Source: Cai, Zhang and Zhou (2013), "Maximizing expected model
    change for active learning in regression".
    """
    _check_members(member_predictions)
    members, rows = member_predictions.shape
    norms = squared_norms(features, "features").sqrt_()
    if predictions.shape != (rows,) or len(norms) != rows:
        raise ValueError(
            f"predictions and features must have the {rows} rows of member_predictions, "
            f"got {tuple(predictions.shape)} and {tuple(features.shape)}"
        )
    check_matrix(predictions[:, None], "predictions")
    out = torch.empty_like(norms)
    for chunk in row_chunks(rows, 16 * members, chunk_bytes):
        own = predictions[chunk].to(torch.float64)
        block = member_predictions[:, chunk].to(torch.float64)
        out[chunk] = sum((own - member).abs_() for member in block) / members
    return out.mul_(norms)


@detached
def vote_entropy(votes: Tensor, num_classes: int, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Entropy of the members' votes for every row, in nats: query by committee asks where they are split most evenly.

    Parameters
    ----------
    votes: (M, N) integers in 0..num_classes-1, M >= 1: the class that each member says each row is of.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64: 0 where all agree.

    Raises
    ------
    ValueError
        No member, not a matrix of integers, or a vote for no class.

    Notes
    -----
    O(N (M + K log K)) time. Ties: equal splits score equally, and few votes can be split in few ways. Source: Lu, Li
    and Lin (2023, arXiv 2306.08954), where it is called QBC.
    """
    if votes.dim() != 2 or len(votes) == 0 or votes.is_floating_point() or votes.is_complex():
        raise ValueError(f"votes must be (members, rows) integers, at least one member, got {tuple(votes.shape)}")
    if votes.numel() and not 0 <= int(votes.min()) <= int(votes.max()) < num_classes:
        raise ValueError(f"votes must lie in 0..{num_classes - 1}, got {int(votes.min())}..{int(votes.max())}")
    members, rows = votes.shape
    out = torch.empty(rows, dtype=torch.float64, device=votes.device)
    for chunk in row_chunks(rows, 16 * num_classes, chunk_bytes):
        block = votes[:, chunk].long()
        counts = torch.zeros(block.shape[1], num_classes, dtype=torch.float64, device=votes.device)
        for member in block:
            counts.scatter_add_(1, member[:, None], torch.ones_like(member, dtype=torch.float64)[:, None])
        # In order of size, so that equal splits score equally, whichever classes they are between.
        out[chunk] = shannon_entropy(counts.sort(dim=1, descending=True).values / members)
    return out


def _check_members(values: Tensor) -> None:
    check_matrix(values, "member_predictions")
    if len(values) == 0:
        raise ValueError("member_predictions must hold at least one member: (members, rows)")
