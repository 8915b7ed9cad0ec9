"""Classical experimental designs, by removal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.pairs.papers import VAS
from labelbench_plus.pairs.resident import resident_images, split_rounds
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("design_removal")
@dataclass(frozen=True)
class DesignRemoval(PairStrategy):
    """Remove, round by round, the pairs that an A-, D- or V-optimal design misses least (ablation of arXiv 2402.02055).

    Parameters
    ----------
    criterion: "a" and "d" look at the pool alone, "v" at the mean variance over the target.
    rounds: T. ridge: weight of the identity in the information matrix.
    """

    title = "Optimal designs by removal"
    reference = VAS
    whole_pool = True

    criterion: Literal["a", "d", "v"] = "v"
    rounds: Annotated[int, Ge(1)] = 20
    ridge: Annotated[float, Gt(0)] = 1e-3

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"images", "targets"} if self.criterion == "v" else {"images"})

    def prepare(self, pool: PoolReader) -> State:
        return as_arrays({"moment": pool.target_moment()}) if self.criterion == "v" else {}

    def score_all(self, shards: Sequence[ShardReader], state: State, count: int) -> list[np.ndarray]:
        import torch

        from labelbench_plus.algorithms.design_pruning import prune_by_design

        moment = torch.from_numpy(state["moment"]) if "moment" in state else None
        with resident_images(shards) as images:
            keep = min(count, len(images))
            removed_in = prune_by_design(images, keep, self.rounds, self.criterion, moment=moment, ridge=self.ridge)
        return split_rounds(shards, removed_in)
