"""EPIG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from numpy.random import Generator

from labelbench_plus.reference import Reference
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.view import PoolView

if TYPE_CHECKING:
    from torch import Tensor


@strategies.register("epig")
@dataclass(frozen=True)
class Epig(PoolStrategy):
    """Query what tells most about predictions elsewhere in the pool (Bickford Smith et al., 2023, eq. 5).

    Parameters
    ----------
    targets: how many candidates, drawn anew each round, stand for the inputs to predict.
    """

    title = "EPIG"
    reference = Reference(("Bickford Smith", "others"), 2023, arxiv="2304.08151")
    needs = frozenset({"member_probabilities"})

    targets: Annotated[int, Ge(1)] = 200

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms.blocks.checks import check_count
        from labelbench_plus.algorithms.epig import epig
        from labelbench_plus.algorithms.uncertainty import top_scores

        members = view.member_probabilities
        if members.shape[1] == 0:
            return view.candidates[: check_count(n, 0)]
        targets = rng.permutation(members.shape[1])[: self.targets]
        scores = epig(members, members[:, torch.as_tensor(targets, device=members.device)])
        return view.candidates[top_scores(scores / view.prices, n)]
