"""Pairs drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("random_pairs")
@dataclass(frozen=True)
class RandomPairs(PairStrategy):
    """Keep pairs uniformly at random."""

    title = "Random pairs"

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        return shard.rng(0).random(shard.rows, dtype=np.float32)
