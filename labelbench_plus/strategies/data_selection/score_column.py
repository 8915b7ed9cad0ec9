"""A score that comes with the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("score_column")
@dataclass(frozen=True)
class ScoreColumn(PairStrategy):
    """Keep the pairs with the highest stored score.

    With DataComp's own column this is exactly its CLIP score baseline (arXiv 2304.14108): its values are half precision
    products, so many are equal. Scores of other filters (DFN, arXiv 2309.17425; HYPE, arXiv 2404.17507) are brought in
    as columns too.

    Parameters
    ----------
    column: a column of the pool; "clip_score" is that of the pool's teacher.
    """

    title = "Stored score"
    needs = frozenset({"scores"})

    column: str = "clip_score"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        return shard.column(self.column)
