"""Captions and their languages as they come with a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.pairs.columns import texts

if TYPE_CHECKING:
    from labelbench_plus.pairs.reading import ShardReader

ENGLISH = "en"


def captions(shard: ShardReader) -> list[str]:
    """The shard's captions; an empty one where there is none."""
    return [text or "" for text in _texts(shard, "text")]


def in_english(shard: ShardReader, column: str | None) -> np.ndarray:
    """(rows,) bool: whose language is "en" according to a column of the pool; all if `column` is None.

    DataComp's metadata do not name languages: whoever wants them filtered must add the answer of a language model to
    them (fastText's for DataComp's own filters, gcld3's for LAION's rule).
    """
    if column is None:
        return np.ones(shard.rows, dtype=bool)
    return np.array([language == ENGLISH for language in _texts(shard, column)], dtype=bool)


def _texts(shard: ShardReader, column: str) -> list[str | None]:
    return texts(shard.metadata(column), f"{shard.shard.name}, column {column!r}", np.flatnonzero(shard.alive))
