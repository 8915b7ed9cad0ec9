"""Shards as a scorer sees them: what it declared to need, of the rows that are still in, in pieces of whole blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS
from labelbench_plus.algorithms.blocks.second_moment import gram_of_parts
from labelbench_plus.contracts.pair_pools import OpenPool, Side
from labelbench_plus.pairs.columns import exact_scores
from labelbench_plus.view import CapabilityError

CHUNK_ROWS = 8192
"""Rows read at a time: 25 MB of single precision at 768 columns."""


class ShardReader:
    """One shard of a pool, less the rows that are out.

    Rows with a vector that is zero or not finite cannot be compared with anything: they read as zeros, are noted in
    `bad`, and get a score of −∞.

    Parameters
    ----------
    pool, index: where and which of its shards.
    alive: (rows,) bool, the rows that are still in.
    needs: what may be read: "images", "texts", "targets", "scores", "metadata", "truth".
    seed, stage: key of the shard's random streams, together with its name: not with its place among others.
    chunk: rows read at a time. It changes the memory taken and nothing else.
    """

    def __init__(
        self,
        pool: OpenPool,
        index: int,
        alive: np.ndarray,
        needs: frozenset[str],
        seed: int,
        stage: int,
        chunk: int = CHUNK_ROWS,
        device: str = "cpu",
    ) -> None:
        self.shard, self.alive = pool.shards[index], alive
        self.rows = int(alive.sum())
        self.bad = np.zeros(self.rows, dtype=bool)
        self.index, self._pool, self._needs = index, pool, needs
        self._seed, self._stage = seed, stage
        self._chunk, self._device = chunk, device

    def rng(self, draw: int, beside: Sequence[ShardReader] = ()) -> np.random.Generator:
        """A fresh stream of this shard, or of a unit that it makes up with those `beside` it."""
        names = "\n".join([self.shard.name, *(other.shard.name for other in beside)])
        words = np.frombuffer(hashlib.sha256(names.encode()).digest()[:16], dtype="<u4").tolist()
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(*words, self._stage, draw)))

    def column(self, name: str) -> np.ndarray:
        """(rows,) float32 or float64, a score of the pool's; what is not finite counts as −∞. Needs "scores".

        Raises
        ------
        ValueError
            It does not hold numbers, or whole numbers beyond what a double can tell apart.
        """
        self._check("scores")
        values = exact_scores(self._pool.column(self.index, name)[self.alive], f"{self.shard.name}: scores {name!r}")
        self.bad |= ~np.isfinite(values)
        return np.where(np.isfinite(values), values, np.float32(-np.inf))

    def metadata(self, name: str) -> np.ndarray:
        """(rows,) of anything: a caption, a language, a width. Needs "metadata"."""
        self._check("metadata")
        return self._pool.metadata(self.index, name)[self.alive]

    def kinds(self) -> np.ndarray:
        """(rows,) str, what each row really is. Needs "truth".

        Raises
        ------
        ValueError
            Nobody knows.
        """
        self._check("truth")
        found = self._pool.kinds(self.index)
        if found is None:
            raise ValueError("the pool does not know what its pairs really are")
        return found[self.alive]

    def vectors(self, side: Side) -> Iterator[Tensor]:
        """The teacher's vectors in pieces (m, d) float32, m a multiple of `BLOCK_ROWS` for all but the last."""
        self._check(side)
        done = 0
        for piece in self._pieces(side):
            values = torch.from_numpy(piece).to(self._device).float()
            norms = torch.linalg.vector_norm(values, dim=1)
            bad = ~(torch.isfinite(norms) & (norms > 0))
            if bool(bad.any()):
                values[bad] = 0.0
                self.bad[done : done + len(piece)] |= bad.cpu().numpy()
            yield values
            done += len(piece)

    def load(self, side: Side) -> Tensor:
        """All of them at once, (rows, d) in half precision where they are stored so. For who needs random access."""
        whole: Tensor | None = None
        done = 0
        kind = self.precision(side)
        for values in self.vectors(side):
            if whole is None:
                whole = torch.empty(self.rows, values.shape[1], dtype=kind, device=self._device)
            whole[done : done + len(values)] = values
            done += len(values)
        return torch.empty(0, self.width(side), dtype=kind, device=self._device) if whole is None else whole

    def gather(self, side: Side, rows: np.ndarray) -> np.ndarray:
        """The vectors (n, d) of some rows, which ascend, in their stored precision. Reads the shard up to its end."""
        parts, start = [], 0
        for values in self.vectors(side):
            here = rows[(rows >= start) & (rows < start + len(values))] - start
            parts.append(values[torch.from_numpy(here).to(values.device)].to(self.precision(side)).cpu().numpy())
            start += len(values)
        if parts:
            return np.concatenate(parts)
        return torch.empty(0, self.width(side), dtype=self.precision(side)).numpy()

    def precision(self, side: Side) -> torch.dtype:
        """How the vectors are stored."""
        return torch.float16 if self._first(side).dtype == np.float16 else torch.float32

    def width(self, side: Side) -> int:
        """How many numbers a vector has; 0 in a pool without rows."""
        return int(self._first(side).shape[1])

    def _first(self, side: Side) -> np.ndarray:
        """The shard's first vector, or another shard's where it has none: (1, d); (0, 0) in a pool without rows."""
        shards = self._pool.shards
        with_rows = (index for index in (self.index, *range(len(shards))) if shards[index].rows)
        return next((next(self._pool.vectors(i, side, 1)) for i in with_rows), np.empty((0, 0), dtype=np.float32))

    def _check(self, need: str) -> None:
        if need not in self._needs:
            declared = ", ".join(sorted(self._needs)) or "nothing"
            raise CapabilityError(f"{need} were read, but the strategy declares that it needs {declared}")

    def _pieces(self, side: Side) -> Iterator[np.ndarray]:
        """Rows that are in, `chunk` of them or a block, whichever is more, at a time."""
        wanted = max(BLOCK_ROWS, self._chunk // BLOCK_ROWS * BLOCK_ROWS)
        held: list[np.ndarray] = []
        count = start = 0
        for part in self._pool.vectors(self.index, side, self._chunk):
            inside = self.alive[start : start + len(part)]
            start += len(part)
            held.append(part[inside])
            count += len(held[-1])
            if count >= wanted:
                joined = np.concatenate(held)
                whole = count // BLOCK_ROWS * BLOCK_ROWS
                yield joined[:whole]
                held, count = [joined[whole:]], count - whole
        if count:
            yield np.concatenate(held)


def load_together(shards: Sequence[ShardReader], side: Side) -> Tensor:
    """The vectors of several shards below each other, in half precision if all are stored so."""
    if len(shards) == 1:
        return shards[0].load(side)
    rows, done = sum(shard.rows for shard in shards), 0
    half = all(shard.precision(side) == torch.float16 for shard in shards)
    whole: Tensor | None = None
    for shard in shards:
        part = shard.load(side)
        if shard.rows:
            if whole is None:
                kind = torch.float16 if half else torch.float32
                whole = torch.empty(rows, part.shape[1], dtype=kind, device=part.device)
            whole[done : done + shard.rows] = part
            done += shard.rows
    return shards[0].load(side) if whole is None else whole


class PoolReader:
    """What a scorer may look at before it scores: targets and the shards' surviving rows.

    Parameters
    ----------
    alive: gives (rows,) bool of a shard, the rows that are still in.
    """

    def __init__(
        self,
        pool: OpenPool,
        alive: Callable[[int], np.ndarray],
        needs: frozenset[str],
        seed: int,
        stage: int,
        chunk: int = CHUNK_ROWS,
        device: str = "cpu",
    ) -> None:
        self._pool, self._alive, self._needs, self._device = pool, alive, needs, device
        self._settings: tuple[Any, ...] = (needs, seed, stage, chunk, device)
        self.seed = seed

    @property
    def names(self) -> list[str]:
        """Of the pool's shards."""
        return [shard.name for shard in self._pool.shards]

    def shard(self, index: int) -> ShardReader:
        """One of the pool's shards."""
        return ShardReader(self._pool, index, self._alive(index), *self._settings)

    def shards(self) -> Iterator[ShardReader]:
        """All of them, one after the other."""
        return (self.shard(index) for index in range(len(self._pool.shards)))

    def targets(self) -> Iterator[Tensor]:
        """The target vectors in parts (m, d), in their stored precision. Needs "targets".

        Raises
        ------
        ValueError
            The pool has none, or one is not finite or of another width than the images' vectors.
        """
        self._check_targets()
        count = 0
        for part in self._pool.targets():
            self._check_width(part, "target vectors")
            if len(wrong := np.flatnonzero(~np.isfinite(part).all(axis=1))):
                raise ValueError(f"target vectors must be finite, but row {count + wrong[0]} is not")
            count += len(part)
            yield torch.from_numpy(np.array(part)).to(self._device)
        if count == 0:
            raise ValueError("the strategy needs target vectors, but the pool names none: set its `targets`")

    def target_moment(self) -> Tensor:
        """(d, d) float64, the second moment of the targets: the pool's own if it names one. Needs "targets"."""
        self._check_targets()
        given = self._pool.moment()
        if given is not None:
            self._check_width(given, "the target's second moment")
            if given.shape[0] != given.shape[1] or not np.isfinite(given).all():
                raise ValueError(f"the target's second moment must be (d, d) and finite, it is {given.shape}")
            return torch.from_numpy(np.array(given, dtype=np.float64)).to(self._device)
        total, count = gram_of_parts(part for part in self.targets())
        return total / count

    def image_gram(self, *, whole_pool: bool) -> Tensor:
        """(d, d) float64, the sum of f fᵀ over the images that are still in, or of all there are."""

        def everybody(index: int) -> np.ndarray:
            return np.ones(self._pool.shards[index].rows, dtype=bool)

        reader = PoolReader(self._pool, everybody, *self._settings) if whole_pool else self
        return gram_of_parts(part for shard in reader.shards() for part in shard.vectors("images"))[0]

    def _check_width(self, rows: np.ndarray, what: str) -> None:
        width = self.shard(0).width("images") if self._pool.shards else 0
        if width and rows.shape[1] != width:
            raise ValueError(f"{what} have {rows.shape[1]} columns, the pool's images {width}: they must agree")

    def _check_targets(self) -> None:
        if "targets" not in self._needs:
            declared = ", ".join(sorted(self._needs)) or "nothing"
            raise CapabilityError(f"targets were read, but the strategy declares that it needs {declared}")
