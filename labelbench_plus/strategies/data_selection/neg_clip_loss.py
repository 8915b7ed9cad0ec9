"""negCLIPLoss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader


@strategies.register("neg_clip_loss")
@dataclass(frozen=True)
class NegClipLoss(PairStrategy):
    """Keep the pairs with the lowest contrastive loss of the teacher (Wang et al., arXiv 2405.19547, NeurIPS 2024).

    The CLIP score, less how well image and text agree with everybody else's in random batches of their shard, averaged
    over `draws` draws. Without a GPU a batch of 4,096 and five draws are the cheapest sensible setting.

    Parameters
    ----------
    temperature: 0.01 for OpenAI's models, 0.07 for the public DFN.
    batch: size of a batch.
    draws: K.
    remainder: what to do about a shard's last, smaller batch. "authors" leaves its scores higher than the others';
        "offdiag" weighs its other members up to a full batch, exact where many of them share the sum; "balanced" cuts
        all batches of a shard to the same size.
    """

    title = "negCLIPLoss"
    reference = NEG_CLIP_LOSS
    needs = frozenset({"images", "texts"})

    temperature: Annotated[float, Gt(0)] = 0.01
    batch: Annotated[int, Ge(1)] = 32_768
    draws: Annotated[int, Ge(1)] = 10
    remainder: Literal["offdiag", "authors", "balanced"] = "offdiag"

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        return self._together([shard])[0]

    def _together(self, shards: Sequence[ShardReader]) -> list[np.ndarray]:
        """The scores of shards among whose rows batches are drawn as if they were one."""
        import torch

        from labelbench_plus.algorithms.neg_clip_loss import cut_batches, neg_clip_loss
        from labelbench_plus.pairs.reading import load_together

        images, texts = load_together(shards, "images"), load_together(shards, "texts")
        fit = np.flatnonzero(~np.concatenate([shard.bad for shard in shards]))  # no bad row in anybody's batch
        scores = np.full(sum(shard.rows for shard in shards), -np.inf, dtype=np.float32)
        if len(fit):
            if len(fit) < len(scores):
                rows = torch.as_tensor(fit, device=images.device)
                images, texts = images[rows], texts[rows]
            orders = (shards[0].rng(draw, shards[1:]).permutation(len(fit)) for draw in range(self.draws))
            draws = [cut_batches(order, self.batch, self.remainder) for order in orders]
            full = self.batch if self.remainder == "offdiag" else None
            scores[fit] = neg_clip_loss(images, texts, draws, temperature=self.temperature, batch=full).cpu().numpy()
        return np.split(scores, np.cumsum([shard.rows for shard in shards])[:-1])
