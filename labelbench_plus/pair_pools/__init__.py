"""Pools of image-text pairs: one file each. A pool knows its pairs, their teacher's vectors, and the targets."""

from labelbench_plus.contracts.pair_pools import Evaluation, Inputs, OpenPool, PairPool, Shard, Side, pair_pools

__all__ = [
    "Evaluation",
    "Inputs",
    "OpenPool",
    "PairPool",
    "Shard",
    "Side",
    "pair_pools",
]
