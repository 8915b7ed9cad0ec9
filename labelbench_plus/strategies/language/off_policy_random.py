"""Random responses that another policy wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.random import Generator

from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.strategies._papers import PROXY_REWARD
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("off_policy_random")
@dataclass(frozen=True)
class OffPolicyRandom(PoolStrategy):
    """Query responses at random that the policy did not write (Chen et al., 2024): what `random` is on-policy.

    It works with problems that offer such responses.
    """

    title = "Random, off-policy"
    reference = PROXY_REWARD
    needs = frozenset({"off_policy"})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_count

        others = view.off_policy
        chosen = rng.permutation(len(others))[: check_count(n, len(others), "off-policy responses")]
        return others[torch.as_tensor(chosen, device=others.device)]
