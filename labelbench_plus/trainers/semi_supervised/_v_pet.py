"""V-PET's rule: how its predictions become targets."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.trainers.semi_supervised._rule import Rule, Targets


class Votes(Rule):
    """The shares of votes that were settled before the first step; `votes` (T, N) is the class each teacher chose."""

    learns_from_weak = True
    votes: Tensor

    def __init__(self, votes: Tensor) -> None:
        super().__init__()
        self.register_buffer("votes", votes, persistent=False)  # a fit that goes on has asked the teachers again

    def targets(self, weak_logits: Tensor, items: Tensor, progress: float) -> Targets:
        shares = torch.zeros_like(weak_logits)
        places = torch.arange(len(items), device=items.device)
        for chosen in self.votes:
            shares[places, chosen[items]] += 1 / len(self.votes)
        return Targets(shares, torch.ones(len(items), device=items.device))
