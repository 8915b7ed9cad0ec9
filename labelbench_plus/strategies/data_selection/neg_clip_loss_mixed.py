"""negCLIPLoss with batches drawn across shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.strategy import State
from labelbench_plus.strategies import strategies
from labelbench_plus.strategies.data_selection.neg_clip_loss import NegClipLoss

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("neg_clip_loss_mixed")
@dataclass(frozen=True)
class NegClipLossMixed(NegClipLoss):
    """negCLIPLoss for pools whose shards are not alike: batches are drawn among the rows of `mix` shards.

    Which shards are mixed is drawn once for a selection, by its seed. The shards of a unit are in memory together, and
    a worker that is killed costs all of them. Otherwise as `neg_clip_loss`.

    Parameters
    ----------
    mix: how many shards.
    """

    title = "negCLIPLoss, mixed shards"

    mix: Annotated[int, Ge(1)] = 4

    def units(self, shards: Sequence[str], seed: int) -> list[list[int]]:
        order = np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(shards))
        return [sorted(order[start : start + self.mix].tolist()) for start in range(0, len(order), self.mix)]

    def score_unit(self, shards: Sequence[ShardReader], state: State) -> list[np.ndarray]:
        return self._together(shards)
