"""NormSim."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("norm_sim")
@dataclass(frozen=True)
class NormSim(PairStrategy):
    """Keep the images most similar to the targets, in the p-norm over all of them (Wang et al., arXiv 2405.19547).

    Norm 2 needs the targets' second moment alone. Any other needs every target: they are kept in memory as stored, and
    use it behind a first stage, where 30 % of the pool are left.

    Parameters
    ----------
    norm: p, or "inf" for the largest similarity.
    """

    title = "NormSim"
    reference = NEG_CLIP_LOSS
    needs = frozenset({"images", "targets"})

    norm: Annotated[float, Ge(1)] | Literal["inf"] = "inf"

    def prepare(self, pool: PoolReader) -> State:
        import torch

        if self.norm == 2:
            return as_arrays({"moment": pool.target_moment()})  # but for √M, which ranks nothing differently
        return as_arrays({"targets": torch.cat(list(pool.targets()))})

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        import torch

        from labelbench_plus.algorithms.norm_sim import norm_sim, norm_sim_2

        if self.norm == 2:
            moment = torch.from_numpy(state["moment"])
            parts = [norm_sim_2(images, moment) for images in shard.vectors("images")]
        else:
            targets, p = torch.from_numpy(state["targets"]), math.inf if self.norm == "inf" else self.norm
            parts = [norm_sim(images, targets.to(images.device), p) for images in shard.vectors("images")]
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0, dtype=np.float32)
