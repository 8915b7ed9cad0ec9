"""Your own pairs as plain arrays on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.algorithms.blocks.stream_top_n import UID
from labelbench_plus.content import hash_file, state_of
from labelbench_plus.pair_pools import OpenPool, PairPool, Shard, Side, pair_pools
from labelbench_plus.pairs.arrays import load_matrix, read_rows
from labelbench_plus.pairs.uids import read_uids
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.seeding import Streams


@pair_pools.register("pair_arrays")
@dataclass(frozen=True)
class PairArrays(PairPool):
    """Vectors of images and texts in `.npy` files: nothing has to be unpacked, so this is the fastest form.

    Parameters
    ----------
    images, texts: (N, d) float16 or float32 `.npy` files, row by row about the same pair.
    uids: an ascending uid file of the rows; without it a row's uid is its number.
    targets: `.npy` or `.pt` files of target vectors (M, d).
    moment: `.npy` or `.pt` file of the target's second moment (d, d), to be used instead of `targets`' own.
    shard_rows: rows of a shard, within which negCLIPLoss draws its batches.
    """

    title = "Your own pairs"

    images: Annotated[Path, Infra(), Outside("files")]
    texts: Annotated[Path, Infra(), Outside("files")]
    uids: Annotated[Path | None, Infra(), Outside("files")] = None
    targets: Annotated[tuple[Path, ...], Infra(), Outside("files")] = ()
    moment: Annotated[Path | None, Infra(), Outside("files")] = None
    shard_rows: Annotated[int, Ge(1)] = 500_000

    def fingerprint(self) -> str:
        given = (self.images, self.texts, self.uids, self.moment, *self.targets)
        files = tuple(None if path is None else path.expanduser() for path in given)
        return _fingerprint(files, tuple(None if path is None else state_of(path) for path in files))

    def size(self) -> int:
        return len(load_matrix(self.images.expanduser()))

    def open(self, streams: Streams) -> OpenPool:
        return _OpenArrays(self)


class _OpenArrays(OpenPool):
    def __init__(self, pool: PairArrays) -> None:
        self._pool = pool
        self._vectors: dict[Side, np.ndarray] = {
            "images": load_matrix(pool.images.expanduser()),
            "texts": load_matrix(pool.texts.expanduser()),
        }
        shapes = {side: matrix.shape for side, matrix in self._vectors.items()}
        if shapes["images"] != shapes["texts"]:
            raise ValueError(f"{pool.images} is {shapes['images']}, {pool.texts} is {shapes['texts']}: they must agree")
        rows = shapes["images"][0]
        self._uids = None if pool.uids is None else read_uids(pool.uids.expanduser())
        if self._uids is not None and len(self._uids) != rows:
            raise ValueError(f"{pool.uids}: {len(self._uids)} uids for {rows} rows")
        size = pool.shard_rows
        self._starts = range(0, rows, size)
        self.shards = tuple(Shard(f"rows-{start:012d}", min(size, rows - start)) for start in self._starts)

    def uids(self, shard: int) -> np.ndarray:
        start, rows = self._starts[shard], self.shards[shard].rows
        if self._uids is not None:
            return np.array(self._uids[start : start + rows])
        numbers = np.zeros(rows, dtype=UID)
        numbers["f1"] = np.arange(start, start + rows)
        return numbers

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        first, rows = self._starts[shard], self.shards[shard].rows
        for start in range(first, first + rows, chunk):
            yield read_rows(self._vectors[side], start, min(chunk, first + rows - start))

    def targets(self) -> Iterator[np.ndarray]:
        return (load_matrix(path.expanduser()) for path in self._pool.targets)

    def moment(self) -> np.ndarray | None:
        return None if self._pool.moment is None else load_matrix(self._pool.moment.expanduser())


@cache
def _fingerprint(files: tuple[Path | None, ...], state: tuple[tuple[int, ...] | None, ...]) -> str:
    hashes = [None if path is None else hash_file(path) for path in files]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
