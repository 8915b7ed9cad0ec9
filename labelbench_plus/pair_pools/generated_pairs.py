"""Pairs made by a generator, of any number, with the truth about each known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Interval

from labelbench_plus.algorithms.blocks.stream_top_n import UID
from labelbench_plus.pair_pools import Evaluation, Inputs, OpenPool, PairPool, Shard, Side, pair_pools
from labelbench_plus.seeding import Streams

GENERATOR = 1  # raised when the same parameters would give other pairs
ROWS_AT_ONCE = 4096
METADATA = ("text", "language", "original_width", "original_height")
WORDS = ("red", "barn", "of", "seven", "elderberries", "at", "dusk")
MOST_WORDS = 6


@pair_pools.register("generated_pairs")
@dataclass(frozen=True)
class GeneratedPairs(PairPool):
    """Images show one of several concepts; captions agree with them to a varying degree.

    A pair's latent is plus or minus a concept's axis and 0.3 of noise; the caption's latent is q times it and
    sqrt(1 − q²) of another draw, with quality q ~ Beta(2, 2) where the concept is a target and Beta(6, 2) elsewhere,
    so that agreement alone misleads. Some captions are exchanged for those of other pairs. The teacher sees latents
    with noise, turned into d dimensions. Vectors are float16 and made again whenever they are read: nothing but the
    current piece is in memory. Written captions, languages and sizes are made up and mean nothing, for trying filters.

    Parameters
    ----------
    rows, shards: how many pairs, in how many shards.
    width: d.
    concepts: how many; concept k occurs in proportion to 1/k.
    wanted, first: how many target concepts there are, and which is their first.
    swapped: share of captions that belong to another pair.
    target_rows: number of target vectors, of all target concepts alike.
    observed, noise: a student sees other vectors than the teacher: latents turned into `observed` dimensions, another
        turn for each side, and so much noise in each dimension.
    test_pairs: agree fully and show target concepts only, all alike; their classes are the axes' two ends.
    """

    title = "Generated pairs"

    rows: Annotated[int, Ge(1)] = 20_000
    shards: Annotated[int, Ge(1)] = 4
    width: Annotated[int, Ge(2)] = 64
    concepts: Annotated[int, Ge(1)] = 24
    first: Annotated[int, Ge(0)] = 0
    wanted: Annotated[int, Ge(1)] = 6
    swapped: Annotated[float, Interval(ge=0, le=1)] = 0.0
    target_rows: Annotated[int, Ge(1)] = 1000
    observed: Annotated[int, Ge(2)] = 64
    noise: Annotated[float, Ge(0)] = 0.25
    test_pairs: Annotated[int, Ge(2)] = 2048

    def fingerprint(self) -> str:
        return hashlib.sha256(f"generated pairs {GENERATOR}".encode()).hexdigest()

    def size(self) -> int:
        return self.rows

    def can_train(self) -> bool:
        return True

    def open(self, streams: Streams) -> OpenPool:
        if min(self.width, self.observed) < self.concepts:
            raise ValueError(f"width and observed must be at least the number of concepts, {self.concepts}")
        if self.first + self.wanted > self.concepts:
            raise ValueError(f"targets {self.first} to {self.first + self.wanted} are beyond {self.concepts} concepts")
        return _OpenGenerated(self, streams)


@dataclass(frozen=True)
class _Drawn:
    """What a piece's rows are: concepts, signs, qualities; rows with swapped captions, and whether that is wrong."""

    concepts: np.ndarray
    signs: np.ndarray
    quality: np.ndarray
    swapped: np.ndarray
    wrong: np.ndarray


class _OpenGenerated(OpenPool):
    def __init__(self, pool: GeneratedPairs, streams: Streams) -> None:
        self._pool, self._streams = pool, streams
        sizes = [len(part) for part in np.array_split(np.arange(pool.rows), pool.shards)]
        self.shards = tuple(Shard(f"part-{number:05d}", size) for number, size in enumerate(sizes))
        self._turn = _turned(streams.rng("generated turn"), pool.concepts, pool.width)
        self._shown = {
            side: _turned(streams.rng(f"generated view {side}"), pool.concepts, pool.observed)
            for side in ("images", "texts")
        }

    def uids(self, shard: int) -> np.ndarray:
        rng = self._streams.round(shard).rng("generated uids")
        uids = np.empty(self.shards[shard].rows, dtype=UID)
        uids["f0"] = rng.integers(2**64, size=len(uids), dtype=np.uint64)
        uids["f1"] = np.arange(len(uids)) + (shard << 40)
        return uids

    def columns(self) -> tuple[str, ...]:
        return ("clip_score", *METADATA)

    def column(self, shard: int, name: str) -> np.ndarray:
        if name != "clip_score":
            raise KeyError(f"generated pairs have no column {name!r} (they have clip_score)")
        sides = (self.vectors(shard, side, ROWS_AT_ONCE) for side in ("images", "texts"))
        parts = [(f.astype(np.float32) * g).sum(axis=1).astype(np.float16) for f, g in zip(*sides, strict=True)]
        return np.concatenate(parts).astype(np.float32)

    def metadata(self, shard: int, name: str) -> np.ndarray:
        if name not in METADATA:
            raise KeyError(f"generated pairs have no column {name!r} (they have {', '.join(METADATA)})")
        rows = self.shards[shard].rows
        rng = self._streams.round(shard).rng(f"generated metadata {name}")
        if name == "text":
            words, lengths = rng.choice(WORDS, size=(rows, MOST_WORDS)), rng.integers(MOST_WORDS + 1, size=rows)
            return np.array([" ".join(some[:n]) for some, n in zip(words, lengths, strict=True)])
        if name == "language":
            return rng.choice(["en", "de"], size=rows, p=[0.8, 0.2])
        return rng.integers(100, 1000, size=rows)

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        waiting: list[np.ndarray] = []
        for piece in self._pieces(shard, side):
            waiting.append(piece)
            held = np.concatenate(waiting) if len(waiting) > 1 else piece
            while len(held) >= chunk:
                yield held[:chunk]
                held = held[chunk:]
            waiting = [held] if len(held) else []
        if waiting:
            yield np.concatenate(waiting)

    def targets(self) -> Iterator[np.ndarray]:
        rng = self._streams.rng("generated targets")
        concepts = rng.choice(self._wanted(), size=self._pool.target_rows)
        signs = rng.choice([-1.0, 1.0], size=len(concepts))
        yield self._seen(self._latents(concepts, signs, rng), rng)

    def inputs(self, shard: int, rows: np.ndarray) -> Inputs:
        parts: dict[Side, list[np.ndarray]] = {"images": [], "texts": []}
        for piece in range(-(-self.shards[shard].rows // ROWS_AT_ONCE)):
            start = piece * ROWS_AT_ONCE
            some = rows[(rows >= start) & (rows < start + ROWS_AT_ONCE)] - start
            for side, seen in parts.items():
                rng = self._streams.round(shard).round(piece).rng(f"generated sight {side}")
                seen.append(self._observed(self._latents_of(shard, piece, side), side, rng)[some])
        return Inputs(np.concatenate(parts["images"]), np.concatenate(parts["texts"]))

    def evaluation(self) -> Evaluation:
        rng, wanted = self._streams.rng("generated test"), self._wanted()
        concepts = rng.choice(wanted, size=self._pool.test_pairs)
        signs = rng.choice([-1.0, 1.0], size=len(concepts))
        latents = self._latents(concepts, signs, rng)
        pairs = Inputs(self._observed(latents, "images", rng), self._observed(latents, "texts", rng))
        labels = 2 * np.searchsorted(wanted, concepts) + (signs > 0)
        ends = np.zeros((2 * len(wanted), self._pool.concepts))
        for number, concept in enumerate(wanted):
            ends[2 * number, concept], ends[2 * number + 1, concept] = -1.0, 1.0
        return Evaluation(pairs, labels.astype(np.int64), ends.astype(np.float32) @ self._shown["texts"])

    def kinds(self, shard: int) -> np.ndarray:
        """ "on target" or "off target", and "swapped caption" where it is of another axis."""
        found = []
        for piece in range(-(-self.shards[shard].rows // ROWS_AT_ONCE)):
            drawn = self._drawn(shard, piece)
            names = np.where(np.isin(drawn.concepts, self._wanted()), "on target", "off target")
            found.append(np.where(drawn.wrong, "swapped caption", names))
        return np.concatenate(found)

    def quality(self, shard: int) -> np.ndarray:
        """(n,) q, how far each caption agreed with its image before captions were swapped."""
        pieces = range(-(-self.shards[shard].rows // ROWS_AT_ONCE))
        return np.concatenate([self._drawn(shard, piece).quality for piece in pieces])

    def _pieces(self, shard: int, side: Side) -> Iterator[np.ndarray]:
        for piece in range(-(-self.shards[shard].rows // ROWS_AT_ONCE)):
            rng = self._streams.round(shard).round(piece).rng(f"generated noise {side}")
            yield self._seen(self._latents_of(shard, piece, side), rng)

    def _latents_of(self, shard: int, piece: int, side: Side) -> np.ndarray:
        drawn = self._drawn(shard, piece)
        own = self._streams.round(shard).round(piece)
        latents = self._latents(drawn.concepts, drawn.signs, own.rng("generated latents"))
        if side == "texts":
            rng, quality = own.rng("generated captions"), drawn.quality[:, None]
            concepts = rng.choice(self._pool.concepts, size=len(latents), p=self._shares())
            others = self._latents(concepts, rng.choice([-1.0, 1.0], size=len(latents)), rng)
            latents = quality * latents + np.sqrt(1 - quality**2) * others
            latents[drawn.swapped] = latents[np.roll(drawn.swapped, 1)]
        return latents

    def _observed(self, latents: np.ndarray, side: Side, rng: np.random.Generator) -> np.ndarray:
        """What a student sees of latents, (n, observed) float32."""
        exact = latents.astype(np.float32) @ self._shown[side]
        return exact + rng.normal(size=exact.shape, scale=self._pool.noise).astype(np.float32)

    def _drawn(self, shard: int, piece: int) -> _Drawn:
        size = min(ROWS_AT_ONCE, self.shards[shard].rows - piece * ROWS_AT_ONCE)
        rng = self._streams.round(shard).round(piece).rng("generated pairs")
        concepts = rng.choice(self._pool.concepts, size=size, p=self._shares())
        on = np.isin(concepts, self._wanted())
        quality = np.where(on, rng.beta(2, 2, size=size), rng.beta(6, 2, size=size))
        signs = rng.choice([-1.0, 1.0], size=size)
        swapped = np.flatnonzero(rng.random(size) < self._pool.swapped)
        giver = np.roll(swapped, 1)
        wrong = np.zeros(size, dtype=bool)
        wrong[swapped] = (concepts[giver] != concepts[swapped]) | (signs[giver] != signs[swapped])
        return _Drawn(concepts, signs, quality, swapped, wrong)

    def _latents(self, concepts: np.ndarray, signs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        k = self._pool.concepts
        latents = rng.normal(size=(len(concepts), k), scale=0.3 / np.sqrt(k))
        latents[np.arange(len(concepts)), concepts] += signs
        return latents

    def _seen(self, latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The teacher's unit vectors of latents."""
        k = self._pool.concepts
        vectors = (latents + rng.normal(size=latents.shape, scale=0.5 / np.sqrt(k))).astype(np.float32) @ self._turn
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)

    def _wanted(self) -> np.ndarray:
        return np.arange(self._pool.first, self._pool.first + self._pool.wanted)

    def _shares(self) -> np.ndarray:
        shares = 1 / np.arange(1.0, self._pool.concepts + 1)
        return shares / shares.sum()


def _turned(rng: np.random.Generator, concepts: int, width: int) -> np.ndarray:
    """(concepts, width) float32 with orthonormal rows."""
    return np.linalg.qr(rng.normal(size=(width, concepts)))[0].T.astype(np.float32)
