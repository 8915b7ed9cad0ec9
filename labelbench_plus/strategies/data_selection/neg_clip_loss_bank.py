"""negCLIPLoss against one bank of references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.pairs.papers import NEG_CLIP_LOSS
from labelbench_plus.pairs.strategy import PairStrategy, State
from labelbench_plus.strategies import strategies

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import PoolReader, ShardReader


@strategies.register("neg_clip_loss_bank")
@dataclass(frozen=True)
class NegClipLossBank(PairStrategy):
    """negCLIPLoss with the same reference pairs for every row, instead of random batches. A *different estimator*.

    Scores are deterministic given the bank, comparable across shards, and read each shard in pieces: no shard is ever
    in memory whole. A pair costs `references` products; `neg_clip_loss` costs `batch` × `draws`. See
    `algorithms.neg_clip_loss_bank`.

    Parameters
    ----------
    temperature: 0.01 for OpenAI's models, 0.07 for the public DFN.
    references: pairs in the bank, drawn at random from `shards` shards, which are drawn at random.
    shards: how many shards the bank is drawn from.
    batch: the size of the batch that the references stand for.
    """

    title = "negCLIPLoss, one bank"
    reference = NEG_CLIP_LOSS
    needs = frozenset({"images", "texts"})

    temperature: Annotated[float, Gt(0)] = 0.01
    references: Annotated[int, Ge(2)] = 32_768
    batch: Annotated[int, Ge(1)] = 32_768
    shards: Annotated[int, Ge(1)] = 8

    def prepare(self, pool: PoolReader) -> State:
        rng = np.random.default_rng(np.random.SeedSequence(pool.seed))
        drawn = sorted(rng.permutation(len(pool.names))[: self.shards].tolist())
        rows = np.array([pool.shard(index).rows for index in drawn])
        count = min(self.references, int(rows.sum()))
        chosen = np.sort(rng.choice(int(rows.sum()), size=count, replace=False))
        where, images, texts = [], [], []
        for index, first, size in zip(drawn, np.cumsum(rows) - rows, rows, strict=True):
            shard, own = pool.shard(index), chosen[(chosen >= first) & (chosen < first + size)] - first
            both = shard.gather("images", own), shard.gather("texts", own)
            fit = ~shard.bad[own]
            images.append(both[0][fit])
            texts.append(both[1][fit])
            where.append(np.stack([np.full(fit.sum(), index), own[fit]], axis=1))
        return {"where": np.concatenate(where), "images": np.concatenate(images), "texts": np.concatenate(texts)}

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        import torch

        from labelbench_plus.algorithms.neg_clip_loss_bank import neg_clip_loss_bank

        images, texts, where = (torch.from_numpy(np.asarray(state[name])) for name in ("images", "texts", "where"))
        places = torch.full((shard.rows,), -1)
        mine = where[:, 0] == shard.index
        places[where[mine, 1]] = mine.nonzero()[:, 0]
        parts, start = [], 0
        for f, g in zip(shard.vectors("images"), shard.vectors("texts"), strict=True):
            bank = images.to(f.device), texts.to(f.device)
            at = places[start : start + len(f)]
            parts.append(neg_clip_loss_bank(f, g, *bank, batch=self.batch, places=at, temperature=self.temperature))
            start += len(f)
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0, dtype=np.float32)
