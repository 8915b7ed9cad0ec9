"""Variance Alignment Score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelbench_plus.pairs.papers import VAS
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("vas")
@dataclass(frozen=True)
class Vas(PairStrategy):
    """Keep the pairs that lie where the target varies: f_iᵀ Σ h_i (Wang et al., arXiv 2402.02055).

    Σ is the uncentred second moment of the target images, computed from the pool's targets unless it names one. With
    images alone it ranks as `norm_sim` with norm 2.

    Parameters
    ----------
    against: h, the image itself or its text.
    """

    title = "Variance alignment score"
    reference = VAS

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"images", "targets"} | ({"texts"} if self.against == "texts" else set()))

    against: Literal["images", "texts"] = "images"

    def prepare(self, pool: PoolReader) -> State:
        return as_arrays({"moment": pool.target_moment()})

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        import torch

        from labelbench_plus.algorithms.variance_alignment import variance_alignment

        moment = torch.from_numpy(state["moment"])
        if self.against == "images":
            parts = [variance_alignment(images, moment) for images in shard.vectors("images")]
        else:
            pairs = zip(shard.vectors("images"), shard.vectors("texts"), strict=True)
            parts = [variance_alignment(images, moment, texts) for images, texts in pairs]
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0, dtype=np.float32)
