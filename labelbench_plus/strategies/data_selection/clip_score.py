"""CLIP score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.reference import Reference
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    import torch

    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("clip_score")
@dataclass(frozen=True)
class ClipScore(PairStrategy):
    """Keep the pairs whose image and text vectors agree most: f_i · g_i (Hessel et al., 2021).

    Computed from the stored vectors; `score_column` takes the values that come with the pool.
    """

    title = "CLIP score"
    reference = Reference(("Hessel", "others"), 2021)
    needs = frozenset({"images", "texts"})

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        from labelbench_plus.algorithms.variance_alignment import row_products

        pairs = zip(shard.vectors("images"), shard.vectors("texts"), strict=True)
        return _joined([row_products(images, texts) for images, texts in pairs])


def _joined(parts: list[torch.Tensor]) -> np.ndarray:
    import torch

    return torch.cat(parts).cpu().numpy() if parts else np.empty(0, dtype=np.float32)
