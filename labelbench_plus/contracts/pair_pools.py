"""Pools of image-text pairs: one file each. A pool knows its pairs, their teacher's vectors, and the targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from labelbench_plus.seeding import Streams

Side = Literal["images", "texts"]


@dataclass(frozen=True)
class Shard:
    """A part of a pool that is read and scored by itself."""

    name: str
    rows: int


@dataclass(frozen=True)
class Inputs:
    """What pairs are trained or tested on, row by row.

    Attributes
    ----------
    images: (n, height, width) uint8, or vectors (n, d) float.
    texts: (n, words) int64 ids of words, 0 after the end of a text, or vectors (n, e) float.
    """

    images: np.ndarray
    texts: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What a model trained on pairs is tested on.

    Attributes
    ----------
    pairs: test images and texts that belong together.
    labels: (n,) int64, the class of each test image, or -1; `class_texts` has a text for each of the K classes.
    words: how many different words there are, 0 included; None where texts are vectors.
    """

    pairs: Inputs
    labels: np.ndarray
    class_texts: np.ndarray
    words: int | None = None


class OpenPool:
    """A pool that is ready to be read, shard by shard. Holds at most one shard's bookkeeping in memory.

    Attributes
    ----------
    shards: in a fixed order. Uids are different throughout the pool.
    """

    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    def uids(self, shard: int) -> np.ndarray:
        """(n,) uids of a shard's rows."""
        raise NotImplementedError

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, scores and metadata, that come with the pool."""
        return ()

    def column(self, shard: int, name: str) -> np.ndarray:
        """(n,) numbers, a score that comes with the pool, in the type it is stored in; NaN where there is none.

        Raises
        ------
        KeyError
            There is none of that name; the message lists those there are.
        """
        raise KeyError(f"the pool has no column {name!r}")

    def metadata(self, shard: int, name: str) -> np.ndarray:
        """(n,) of any type, a column of the pool that is not a score: "text" (captions), sizes, languages.

        Raises
        ------
        KeyError
            There is none of that name; the message lists those there are.
        """
        raise KeyError(f"the pool has no column {name!r}")

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        """A shard's teacher vectors (m, d) in their stored precision, `chunk` rows at a time from the first on."""
        raise NotImplementedError

    def targets(self) -> Iterator[np.ndarray]:
        """The target images' vectors (m, d), in parts and in a fixed order; none if the pool has no target."""
        return iter(())

    def moment(self) -> np.ndarray | None:
        """(d, d), a second moment of the target computed elsewhere; None to compute it from `targets`."""
        return None

    def inputs(self, shard: int, rows: np.ndarray) -> Inputs:
        """What a model is trained on for these rows of a shard, which ascend: the teacher's vectors, or better."""

        def gathered(side: Side) -> np.ndarray:
            parts, start = [], 0
            for part in self.vectors(shard, side, 8192):
                parts.append(part[rows[(rows >= start) & (rows < start + len(part))] - start])
                start += len(part)
            return np.concatenate(parts).astype(np.float32)

        return Inputs(gathered("images"), gathered("texts"))

    def evaluation(self) -> Evaluation | None:
        """What models are tested on; None if the pool comes without."""
        return None

    def kinds(self, shard: int) -> np.ndarray | None:
        """(n,) str, what each row really is ("clean", "swapped caption", ...), where that is known; for reports."""
        return None


class PairPool(Plugin):
    """Where image-text pairs come from."""

    def fingerprint(self) -> str:
        """Hash of the pairs and targets, so that a run's identity changes with its data."""
        raise NotImplementedError

    def size(self) -> int:
        """How many pairs there are."""
        raise NotImplementedError

    def can_train(self) -> bool:
        """Whether there is a test set for models."""
        return False

    def open(self, streams: Streams) -> OpenPool:
        """Make it ready to be read. `streams` matter only to pools that are drawn anew for each run.

        Raises
        ------
        FileNotFoundError, ValueError
            Files are missing or not as they should be; the message says which and how.
        """
        raise NotImplementedError


pair_pools = Registry("pair pool", PairPool, "labelbench_plus.pair_pools")
