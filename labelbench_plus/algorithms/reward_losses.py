"""Losses of rewards that are learned together with what they are computed from: those of `reward_heads`, row by row."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

RewardLoss = Literal["bradley_terry", "ridge", "ordinal"]


def reward_losses(rewards: Tensor, said: Tensor, loss: RewardLoss, thresholds: Tensor | None = None) -> Tensor:
    """(n,) the loss of each judgement.

    Parameters
    ----------
    rewards: (n,) of responses; for "bradley_terry" the second's less the first's of two.
    said: (n,) what was said of them:
        "bradley_terry": p in 0..1, how probable it is that the second is better: −p log σ(r) − (1 − p) log σ(−r);
        "ridge": scores s: (s − r)²;
        "ordinal": levels c = 0, 1, … C: −log [σ(t_(c+1) − r) − σ(t_c − r)], with t_0 = −∞ and t_(C+1) = ∞.
    thresholds: (C,) t_1 … t_C of "ordinal", which ascend.

    Raises
    ------
    ValueError
        Not two vectors of one length, or "ordinal" without thresholds.

    Source: as of `reward_heads.bradley_terry`, `ridge` and `ordinal`.
    """
    if rewards.shape != said.shape or rewards.ndim != 1:
        raise ValueError(f"expected two vectors of one length, got {rewards.shape} and {said.shape}")
    if loss == "bradley_terry":
        return F.binary_cross_entropy_with_logits(rewards, said.to(rewards), reduction="none")
    if loss == "ridge":
        return (said - rewards).square()
    if thresholds is None:
        raise ValueError("levels are learned with thresholds between them")
    far = rewards.new_full((1,), torch.inf)
    edges, level = torch.cat([-far, thresholds, far]), said.long()
    above, below = edges[level + 1] - rewards, edges[level] - rewards
    # log [σ(a) − σ(b)] = log σ(a) + log σ(−b) + log (1 − e^(b−a)), which is exact where both are far from zero.
    return -(F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(below - above)))
