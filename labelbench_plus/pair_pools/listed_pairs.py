"""The part of a pool that a uid file lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np

from labelbench_plus.content import default_cache_dir, hash_file
from labelbench_plus.pair_pools import Evaluation, Inputs, OpenPool, PairPool, Shard, Side, pair_pools
from labelbench_plus.pairs.uids import contained, read_uids
from labelbench_plus.plugins import From, Infra, Outside
from labelbench_plus.seeding import Streams
from labelbench_plus.store.artefacts import Artefacts


@pair_pools.register("listed_pairs")
@dataclass(frozen=True)
class ListedPairs(PairPool):
    """A pool restricted to the uids of a file before anything is selected: every fraction is of what is left.

    Uids that the pool does not have are passed over. How many rows of which shard are listed is counted once and kept
    in the cache.

    Parameters
    ----------
    pool: the whole one.
    uids: a uid file: another filter's selection, or what could be downloaded.
    """

    title = "Listed pairs"

    pool: Annotated[PairPool, From("pair_pools")]
    uids: Annotated[Path, Infra(), Outside("files")]

    def fingerprint(self) -> str:
        listed = hash_file(self.uids.expanduser())
        return hashlib.sha256(f"{self.pool.fingerprint()} listed {listed}".encode()).hexdigest()

    def size(self) -> int:
        return self.open(Streams(0)).rows

    def can_train(self) -> bool:
        return self.pool.can_train()

    def open(self, streams: Streams) -> OpenPool:
        return _OpenListed(self, streams)


class _OpenListed(OpenPool):
    def __init__(self, pool: ListedPairs, streams: Streams) -> None:
        self._pool = pool.pool.open(streams)
        self._listed = read_uids(pool.uids.expanduser())
        self._rows = lru_cache(maxsize=2)(self._rows_of)  # a shard is read side by side, image and text
        whole = self._pool.shards
        key = {
            "rows of listed pairs": pool.fingerprint(),
            "shards": [[shard.name, shard.rows] for shard in whole],
            "first uids": hashlib.sha256(self._pool.uids(0).tobytes()).hexdigest() if whole else "",
        }
        counts = Artefacts(default_cache_dir()).arrays(
            key,
            lambda pieces: {"rows": np.array([len(self._rows(i)) for i in range(len(whole))])},
            what=f"rows of pairs listed in {pool.uids}",
        )["rows"]
        self.shards = tuple(Shard(shard.name, int(rows)) for shard, rows in zip(whole, counts, strict=True))
        if not self.rows:
            raise ValueError(f"{pool.uids}: none of the {len(self._listed)} uids listed is in the pool")

    def uids(self, shard: int) -> np.ndarray:
        return self._pool.uids(shard)[self._rows(shard)]

    def columns(self) -> tuple[str, ...]:
        return self._pool.columns()

    def column(self, shard: int, name: str) -> np.ndarray:
        return self._pool.column(shard, name)[self._rows(shard)]

    def metadata(self, shard: int, name: str) -> np.ndarray:
        return self._pool.metadata(shard, name)[self._rows(shard)]

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        rows, start = self._rows(shard), 0
        for part in self._pool.vectors(shard, side, chunk):
            low, high = np.searchsorted(rows, (start, start + len(part)))
            yield part[rows[low:high] - start]
            start += len(part)

    def targets(self) -> Iterator[np.ndarray]:
        return self._pool.targets()

    def moment(self) -> np.ndarray | None:
        return self._pool.moment()

    def inputs(self, shard: int, rows: np.ndarray) -> Inputs:
        return self._pool.inputs(shard, self._rows(shard)[rows])

    def evaluation(self) -> Evaluation | None:
        return self._pool.evaluation()

    def kinds(self, shard: int) -> np.ndarray | None:
        found = self._pool.kinds(shard)
        return None if found is None else found[self._rows(shard)]

    def _rows_of(self, shard: int) -> np.ndarray:
        """Which rows of a shard are listed, ascending."""
        return np.flatnonzero(contained(self._pool.uids(shard), self._listed))
