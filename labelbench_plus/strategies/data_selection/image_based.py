"""DataComp's image-based filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.pairs.papers import DATACOMP
from labelbench_plus.pairs.strategy import PairStrategy, State, as_arrays
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("image_based")
@dataclass(frozen=True)
class ImageBased(PairStrategy):
    """Keep images in clusters of the pool that are nearest to some target (Gadre et al., arXiv 2304.14108, 3.2).

    The score is one in such a cluster and zero elsewhere; ties go to the lowest uid. DataComp asks for English captions
    of some length first: that is `basic_filter` as the first of `two_stage`.

    Parameters
    ----------
    clusters: centroids of k-means; DataComp has 100,000.
    sample: how many of the pool's images, drawn at random, make the clusters.
    """

    title = "DataComp's image-based filter"
    reference = DATACOMP
    needs = frozenset({"images", "targets"})

    clusters: Annotated[int, Ge(1)] = 1000
    sample: Annotated[int, Ge(1)] = 100_000

    def prepare(self, pool: PoolReader) -> State:
        import torch

        from labelbench_plus.algorithms.k_means import k_means

        rows = torch.cat(list(self._sampled(pool)))
        rng = np.random.default_rng(np.random.SeedSequence(pool.seed))
        centers = k_means(rows, min(self.clusters, len(rows)), rng, max_iterations=20).centers.float()
        wanted = torch.zeros(len(centers), dtype=torch.bool)
        for targets in pool.targets():
            wanted[_nearest(targets, centers)] = True
        return as_arrays({"centers": centers, "wanted": wanted})

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        import torch

        centers, wanted = torch.from_numpy(state["centers"]), torch.from_numpy(state["wanted"])
        parts = [wanted[_nearest(images, centers)].float() for images in shard.vectors("images")]
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0, dtype=np.float32)

    def _sampled(self, pool: PoolReader) -> Iterator[Tensor]:
        """Images of every shard in proportion to its rows."""
        import torch

        rows = sum(shard.rows for shard in pool.shards())
        for shard in pool.shards():
            share = min(shard.rows, -(-self.sample * shard.rows // max(1, rows)))
            chosen = np.zeros(shard.rows, dtype=bool)
            chosen[shard.rng(0).permutation(shard.rows)[:share]] = True
            start = 0
            for images in shard.vectors("images"):
                mask = chosen[start : start + len(images)] & ~shard.bad[start : start + len(images)]
                start += len(images)
                yield images[torch.from_numpy(mask)]


def _nearest(rows: Tensor, centers: Tensor) -> Tensor:
    """(n,) long, the centre with the greatest product less half its squared norm: the nearest one."""
    import torch

    from labelbench_plus.algorithms.blocks.row_blocks import row_blocks

    half = centers.square().sum(dim=1) / 2
    nearest = torch.empty(rows.shape[0], dtype=torch.long)
    for part, block in row_blocks(rows.cpu()):
        nearest[part] = (block @ centers.T - half).argmax(dim=1)[: part.stop - part.start]
    return nearest
