"""Losses of pairs: how a policy is moved towards the better of two responses, and away from the worse."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PairLoss = Literal["sigmoid", "ipo", "kto"]


def pair_losses(gained_better: Tensor, gained_worse: Tensor, beta: float, loss: PairLoss = "sigmoid") -> Tensor:
    """(n,) the loss of each pair.

    Parameters
    ----------
    gained_better, gained_worse: (n,) log π − log π_reference of the better and the worse response, in nats, summed over
        tokens.
    beta: how much a nat counts; above zero.
    loss: with h the better's gain less the worse's,
        "sigmoid": −log σ(β h), which is ln 2 where nothing was gained yet;
        "ipo": (h − 1/(2β))², which stops at a margin;
        "kto": (1 − σ(β (better − z))) + (1 − σ(β (z − worse))), with z the mean gain of these 2n responses, at least
        zero, as a constant: an estimate of KL from responses that the policy need not have written.

    Raises
    ------
    ValueError
        Not two vectors of one length, or beta not above zero.

    Source: Rafailov et al., Direct preference optimization (2023), equation 7; Azar et al., A general theoretical
    paradigm to understand learning from human preferences (2023), equation 17; Ethayarajh et al., KTO (2024), section
    4.1, with weights of one and z of the same batch.
    """
    if gained_better.shape != gained_worse.shape or gained_better.ndim != 1:
        raise ValueError(f"expected two vectors of one length, got {gained_better.shape} and {gained_worse.shape}")
    if beta <= 0:
        raise ValueError(f"beta must be above zero, got {beta}")
    if loss == "kto":
        center = torch.cat([gained_better, gained_worse]).mean().clamp(min=0).detach()
        return 2 - torch.sigmoid(beta * (gained_better - center)) - torch.sigmoid(beta * (center - gained_worse))
    margin = gained_better - gained_worse
    if loss == "ipo":
        return (margin - 1 / (2 * beta)).square()
    return -F.logsigmoid(beta * margin)
