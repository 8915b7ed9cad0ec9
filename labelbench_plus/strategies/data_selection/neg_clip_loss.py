"""negCLIPLoss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt

from labelbench_plus.algorithms.neg_clip_loss import Remainder, cut_batches, neg_clip_loss
from labelbench_plus.data_selection.reading import ShardReader
from labelbench_plus.data_selection.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies


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

    needs = frozenset({"images", "texts"})

    temperature: Annotated[float, Gt(0)] = 0.01
    batch: Annotated[int, Ge(1)] = 32_768
    draws: Annotated[int, Ge(1)] = 10
    remainder: Remainder = "offdiag"

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        images, texts = shard.load("images"), shard.load("texts")
        fit = np.flatnonzero(~shard.bad)  # a bad row must not be part of anybody's batch
        scores = np.full(shard.rows, -np.inf, dtype=np.float32)
        if not len(fit):
            return scores
        if len(fit) < shard.rows:
            rows = torch.as_tensor(fit, device=images.device)
            images, texts = images[rows], texts[rows]
        draws = [
            cut_batches(shard.rng(draw).permutation(len(fit)), self.batch, self.remainder) for draw in range(self.draws)
        ]
        full = self.batch if self.remainder == "offdiag" else None
        scores[fit] = neg_clip_loss(images, texts, draws, temperature=self.temperature, batch=full).cpu().numpy()
        return scores
