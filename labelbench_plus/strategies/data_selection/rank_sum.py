"""Two scores at once, by their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import numpy as np

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.plugins import From
from labelbench_plus.strategies import Strategy, strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("rank_sum")
@dataclass(frozen=True)
class RankSum(PairStrategy):
    """Keep the pairs with the largest sum of two strategies' ranks, as shares of the pairs that are in.

    A variant in the program of arXiv 2405.19547 and not its main method. Equal scores share the mean of their ranks.
    The ranks of all pairs are made at once: some 40 bytes a pair.

    Parameters
    ----------
    first, second: strategies of one stage that score shard by shard.
    """

    title = "Sum of ranks"
    version = 2
    reference = NEG_CLIP_LOSS
    whole_pool = True

    first: Annotated[Strategy, From("strategies")] = field(default_factory=lambda: strategies.build("neg_clip_loss"))
    second: Annotated[Strategy, From("strategies")] = field(default_factory=lambda: strategies.build("norm_sim"))

    def __post_init__(self) -> None:
        for strategy in (self.first, self.second):
            if not (
                isinstance(strategy, PairStrategy)
                and not strategy.whole_pool
                and type(strategy).units is PairStrategy.units
                and len(strategy.stages(1, 1)) == 1
            ):
                raise ValueError(f"strategy {strategy.name!r} does not score pairs shard by shard in one stage")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return self.first.needs | self.second.needs

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for strategy in self._both for name in strategy.columns))

    def prepare(self, pool: PoolReader) -> State:
        return {
            f"{number} {name}": array
            for number, of in enumerate(self._both)
            for name, array in of.prepare(pool).items()
        }

    def score_all(self, shards: Sequence[ShardReader], state: State, count: int) -> list[np.ndarray]:
        from scipy.stats import rankdata

        total = np.zeros(sum(shard.rows for shard in shards))
        for number, strategy in enumerate(self._both):
            own = {name.partition(" ")[2]: array for name, array in state.items() if name.startswith(f"{number} ")}
            scores = np.concatenate([np.empty(0), *(strategy.score(shard, own) for shard in shards)])
            total += rankdata(scores) / max(1, len(scores))
            total[scores == -np.inf] = -np.inf
        return np.split(total, np.cumsum([shard.rows for shard in shards])[:-1])

    @property
    def _both(self) -> tuple[PairStrategy, PairStrategy]:
        assert isinstance(self.first, PairStrategy) and isinstance(self.second, PairStrategy)
        return self.first, self.second
