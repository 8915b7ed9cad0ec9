"""Nearest neighbours of the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("nearest_targets")
@dataclass(frozen=True)
class NearestTargets(PairStrategy):
    """Keep the images with the best ranks among those nearest to some target, within their shard.

    The alternative that arXiv 2405.19547 compares NormSim with. See `algorithms.nearest_target`.

    Parameters
    ----------
    groups: the number of disjoint groups of targets over which ranks are averaged.
    """

    title = "Nearest targets"
    reference = NEG_CLIP_LOSS
    needs = frozenset({"images", "targets"})

    groups: Annotated[int, Ge(1)] = 5

    def prepare(self, pool: PoolReader) -> State:
        import torch

        return as_arrays({"targets": torch.cat(list(pool.targets()))})

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        import torch

        from labelbench_plus.algorithms.nearest_target import nearest_target_rank

        images = shard.load("images")
        if not shard.rows:
            return np.empty(0, dtype=np.float32)
        return (
            nearest_target_rank(images, torch.from_numpy(state["targets"]).to(images.device), self.groups).cpu().numpy()
        )
