"""VAS-D, or NormSim_2-D: no target is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.papers import VAS
from labelbench_plus.pairs.resident import resident_images, split_rounds
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("vas_d")
@dataclass(frozen=True)
class VasD(PairStrategy):
    """Remove, round by round, the pairs least aligned with those that are left (arXiv 2402.02055; 2405.19547).

    The score of a pair is the round in which it was removed. What is left after a first stage must fit into memory or
    a file of it: 1.5 kB a pair at 768 dimensions.

    Parameters
    ----------
    rounds: T; the authors take 168 at DataComp's small scale and 500 at medium.
    start: what the first round is aligned with: the whole "pool", as the authors', or the "survivors" of the stages
        before.
    lazy: rescore only those whose bounds leave their removal open. It changes nothing but the time.
    """

    title = "VAS-D"
    reference = VAS
    needs = frozenset({"images"})
    whole_pool = True

    rounds: Annotated[int, Ge(1)] = 168
    start: Literal["pool", "survivors"] = "pool"
    lazy: bool = True

    def prepare(self, pool: PoolReader) -> State:
        return as_arrays({"gram": pool.image_gram(whole_pool=True)}) if self.start == "pool" else {}

    def score_all(self, shards: Sequence[ShardReader], state: State, count: int) -> list[np.ndarray]:
        import torch

        from labelbench_plus.algorithms.alignment_pruning import prune_by_alignment

        with resident_images(shards) as images:
            start = torch.from_numpy(state["gram"]) if "gram" in state else None
            removed_in, _ = prune_by_alignment(
                images, min(count, len(images)), self.rounds, start=start, lazy=self.lazy
            )
        return split_rounds(shards, removed_in)
