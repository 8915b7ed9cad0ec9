"""What is known to be clean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("known_clean")
@dataclass(frozen=True)
class KnownClean(PairStrategy):
    """Pairs of the `wanted` kinds first, then the others, each at random. A bound, not a method: it reads the truth.

    Parameters
    ----------
    wanted: kinds as the pool names them.
    """

    title = "Pairs known to be clean"
    needs = frozenset({"truth"})
    knows_truth = True

    wanted: tuple[str, ...] = ("clean",)

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        return np.isin(shard.kinds(), self.wanted) + shard.rng(0).random(shard.rows, dtype=np.float32) / 2
