"""EPIG: how much a label is expected to reveal about the labels of given target inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.bald import check_member_probabilities
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import row_sums

CHUNK_BYTES = 16 * 2**20

# Targets are added up in groups of this many outcomes (targets x classes), whatever `chunk_bytes` is, so that the
# order of the summation, and with it the last bit of a score, is a property of the input alone.
TARGET_OUTCOMES = 512


@detached
def epig(member_probabilities: Tensor, target_probabilities: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Expected predictive information gain of every row, in nats; higher is better.

    The mean over targets x* of I(y; y* | x, x*), the mutual information of the two labels under the joint
    distribution p(y, y*) = mean over members of p(y | x, w) p(y* | x*, w). Exact for the members and targets given;
    the paper draws the targets at random from the distribution that predictions are wanted on, here that draw is
    the caller's. BALD is the information about the members themselves and bounds it from above.

    Parameters
    ----------
    member_probabilities: (M, N, K) floating point: the candidates under every member.
    target_probabilities: (M, T, K') floating point, T >= 1: the targets under the same members, in the same order.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64.

    Raises
    ------
    ValueError
        Not tensors of finite probability vectors, no target, or a different number of members in the two.

    Complexity: O(M N T K K') time, O(N + chunk_bytes) memory. Ties: equal rows score equally.
    Source: Bickford Smith et al. (2023, arXiv 2304.08151, section 4).
    """
    members, rows, classes = check_member_probabilities(member_probabilities, "member_probabilities")
    target_members, targets, target_classes = check_member_probabilities(target_probabilities, "target_probabilities")
    if target_members != members:
        raise ValueError(f"candidates have {members} members, targets {target_members}: they must be the same ones")
    if targets == 0:
        raise ValueError("target_probabilities must hold at least one target")
    group = max(1, TARGET_OUTCOMES // target_classes)
    # (M, N, K) -> (N, K, M): one small product per candidate, of the same shape for all of them, so that equal
    # candidates score equally to the last bit.
    step = max(1, chunk_bytes // (8 * classes * (2 * members + 4 * group * target_classes)))
    out = torch.empty(rows, dtype=torch.float64, device=member_probabilities.device)
    for start in range(0, rows, step):
        block = member_probabilities[:, start : start + step].double().clamp(min=0).permute(1, 2, 0).contiguous()
        marginal = _ordered_mean(block)
        gained = torch.zeros_like(marginal[:, 0])
        for first in range(0, targets, group):
            target = target_probabilities[:, first : first + group].double().clamp(min=0)
            gained += _information(block, marginal, target)
        out[start : start + step] = (gained / targets).clamp_(min=0)
    return out


def _information(block: Tensor, marginal: Tensor, target: Tensor) -> Tensor:
    """Sum over the targets of I(y; y*), for the (n, K, M) candidates of a block."""
    members = target.shape[0]
    flat = target.reshape(members, -1)
    joint = torch.bmm(block, (flat / members).expand(block.shape[0], -1, -1))
    independent = marginal[:, :, None] * _ordered_mean(flat.T.contiguous())[None, None, :]
    # KL(joint || independent); impossible pairs of labels add 0 log(tiny) = 0.
    tiny = torch.finfo(torch.float64).tiny
    logs = (joint / independent.clamp_(min=tiny)).clamp_(min=tiny).log_()
    return row_sums(logs.mul_(joint).flatten(1))


def _ordered_mean(values: Tensor) -> Tensor:
    """Mean over the last dimension, added from the first entry to the last."""
    total = torch.zeros_like(values[..., 0])
    for member in range(values.shape[-1]):
        total += values[..., member]
    return total / values.shape[-1]
