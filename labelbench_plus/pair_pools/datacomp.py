"""DataComp's metadata: parquet and npz files of the same stem, row by row about the same samples."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from labelbench_plus.content import hash_file, hash_files, state_of
from labelbench_plus.pair_pools import OpenPool, PairPool, Shard, Side, pair_pools
from labelbench_plus.pairs.arrays import (
    load_matrix,
    member_checksums,
    member_rows,
    member_shape,
    member_texts,
)
from labelbench_plus.pairs.columns import open_parquet, read_column, scores
from labelbench_plus.pairs.papers import DATACOMP
from labelbench_plus.pairs.uids import uids_from_hex
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.seeding import Streams

Teacher = Literal["l14", "b32", "dfn_p"]

MEMBERS: dict[Teacher, dict[Side, str]] = {
    "l14": {"images": "l14_img", "texts": "l14_txt"},
    "b32": {"images": "b32_img", "texts": "b32_txt"},
    "dfn_p": {"images": "dfn-p-clip-vit-b32-image", "texts": "dfn-p-clip-vit-b32-text"},
}
SCORES: dict[Teacher, str] = {
    "l14": "clip_l14_similarity_score",
    "b32": "clip_b32_similarity_score",
    "dfn_p": "dfn-p-clip-vit-b32-score",
}
TARGET_ROWS = 65_536
COMPARED = 64
"""Rows of a shard whose score is held against its vectors: files that were mixed up differ in nearly all."""

APART = 0.02
"""More than half precision leaves between a score and the cosine of the vectors."""

logger = logging.getLogger(__name__)


@pair_pools.register("datacomp")
@dataclass(frozen=True)
class DataComp(PairPool):
    """A pool as DataComp publishes it (Gadre et al., arXiv 2304.14108): `<32 hex>.parquet` beside `<32 hex>.npz`.

    Members of the npz files are read in pieces; vectors are taken as stored, not normalised again. A shard is a pair of
    files. Uids, widths and row counts are checked when the pool is opened; zero or non-finite vectors are found when
    they are read, and never selected. When a shard's vectors are read, what its two files say of the same rows is
    compared: uids, where the npz file has them too, must be equal, and a similarity score that is not the cosine of the
    vectors is told with its row.

    Parameters
    ----------
    folder: with the files.
    teacher: whose vectors: OpenAI's CLIP ViT-L/14 or ViT-B/32, or the public DFN.
    targets: `.pt` or `.npy` files with the target images' vectors (M, d), if a strategy needs them.
    moment: a `.pt` or `.npy` file with the target's second moment (d, d), to be used instead of `targets`' own.

    What counts for a run's identity is the files' content, not where they lie: parquet files are read for that once, of
    npz files the checksums that they hold of their members (which are held against the content whenever it is read).
    """

    title = "DataComp"
    reference = DATACOMP

    folder: Annotated[Path, Infra(), Outside("files")]
    teacher: Teacher = "l14"
    targets: Annotated[tuple[Path, ...], Infra(), Outside("files")] = ()
    moment: Annotated[Path | None, Infra(), Outside("files")] = None

    def fingerprint(self) -> str:
        return _fingerprint(self, _state(self))

    def size(self) -> int:
        return sum(shard.rows for shard in _shards(self, _state(self)))

    def open(self, streams: Streams) -> OpenPool:
        return _OpenDataComp(self)


class _OpenDataComp(OpenPool):
    def __init__(self, pool: DataComp) -> None:
        self._pool = pool
        self._folder = pool.folder.expanduser()
        self.shards = _shards(pool, _state(pool))
        self._compared: set[int] = set()
        self._told = False

    def uids(self, shard: int) -> np.ndarray:
        path = self._parquet(shard)
        return uids_from_hex(read_column(path, "uid"), f"{path}, column 'uid'")

    def columns(self) -> tuple[str, ...]:
        known = open_parquet(self._parquet(0)).schema_arrow.names
        return (*known, *(["clip_score"] if SCORES[self._pool.teacher] in known else []))

    def column(self, shard: int, name: str) -> np.ndarray:
        path = self._parquet(shard)
        stored = SCORES[self._pool.teacher] if name == "clip_score" else name
        return scores(read_column(path, stored), f"{path}: column {stored!r}")

    def metadata(self, shard: int, name: str) -> np.ndarray:
        return np.asarray(read_column(self._parquet(shard), name).to_numpy(zero_copy_only=False))

    def vectors(self, shard: int, side: Side, chunk: int) -> Iterator[np.ndarray]:
        path = self._folder / f"{self.shards[shard].name}.npz"
        if shard not in self._compared:
            self._compared.add(shard)
            self._compare(shard, path)
        return member_rows(path, MEMBERS[self._pool.teacher][side], chunk)

    def _compare(self, shard: int, path: Path) -> None:
        """Hold the npz file of a shard against its parquet file.

        Raises
        ------
        ValueError
            It has uids, and they are others.
        """
        beside = self._parquet(shard)
        if (stored := member_texts(path, "uid")) is not None:
            for row, (ours, theirs) in enumerate(zip_longest(read_column(beside, "uid").to_pylist(), stored)):
                if ours != theirs:
                    raise ValueError(
                        f"{beside} and {path.name}: row {row} is {ours!r} in the one, {theirs!r} in the other"
                    )
        column = SCORES[self._pool.teacher]
        if self._told or not self.shards[shard].rows or column not in self.columns():
            return
        cosine = _cosines(path, MEMBERS[self._pool.teacher])
        said = self.column(shard, column)[: len(cosine)]
        apart = np.flatnonzero(np.abs(said - cosine) > APART)  # what is not finite is found elsewhere
        if len(apart):
            self._told = True  # a pool has thousands of shards, and one reason
            logger.warning(
                "%s: row %d has a %s of %.3f, and vectors in %s with a cosine of %.3f (%d of the %d rows looked at "
                "differ): are they of the same samples and teacher? Further shards are not reported",
                *(beside, apart[0], column, said[apart[0]], path.name, cosine[apart[0]], len(apart), len(cosine)),
            )

    def targets(self) -> Iterator[np.ndarray]:
        for path in self._pool.targets:
            matrix = load_matrix(path.expanduser())
            for start in range(0, len(matrix), TARGET_ROWS):
                yield matrix[start : start + TARGET_ROWS]

    def moment(self) -> np.ndarray | None:
        return None if self._pool.moment is None else load_matrix(self._pool.moment.expanduser())

    def _parquet(self, shard: int) -> Path:
        return self._folder / f"{self.shards[shard].name}.parquet"


def _cosines(path: Path, members: dict[Side, str]) -> np.ndarray:
    """Of the first rows' image and text vectors; NaN where one is zero or not finite."""
    images, texts = (next(member_rows(path, member, COMPARED)).astype(np.float64) for member in members.values())
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (images * texts).sum(axis=1) / (np.linalg.norm(images, axis=1) * np.linalg.norm(texts, axis=1))
    return np.asarray(found)


def _state(pool: DataComp) -> tuple[object, ...]:
    """Another once a file of the pool is changed."""
    folder = pool.folder.expanduser()
    files = sorted(path for suffix in (".parquet", ".npz") for path in folder.glob(f"*{suffix}"))
    beside = [path.expanduser() for path in (*pool.targets, *([pool.moment] if pool.moment else []))]
    return tuple((path.name, state_of(path)) for path in (*files, *beside))


@cache
def _shards(pool: DataComp, state: tuple[object, ...]) -> tuple[Shard, ...]:
    """The pool's shards by name, once their files are found to belong together."""
    folder = pool.folder.expanduser()
    stems = {suffix: {path.stem for path in folder.glob(f"*{suffix}")} for suffix in (".parquet", ".npz")}
    if not stems[".parquet"]:
        raise FileNotFoundError(
            f"{folder}: no .parquet file; expected DataComp's metadata, download_upstream.py gets it"
        )
    for has, lacks in ((".parquet", ".npz"), (".npz", ".parquet")):
        if alone := sorted(stems[has] - stems[lacks]):
            raise ValueError(f"{folder}: {len(alone)} files lack a matching {lacks}, first {alone[0]}{has}")
    shards, width = [], None
    for stem in sorted(stems[".parquet"]):
        if not re.fullmatch(r"[0-9a-f]{32}", stem):
            raise ValueError(f"{folder}: {stem}.parquet: a shard's name must be 32 hexadecimal digits")
        rows = open_parquet(folder / f"{stem}.parquet").metadata.num_rows
        for member in MEMBERS[pool.teacher].values():
            shape = member_shape(folder / f"{stem}.npz", member)
            width = shape[1] if width is None else width
            if shape[0] != rows:
                raise ValueError(f"{folder}: {stem}: {rows} rows in .parquet, but {shape[0]} in {member} of .npz")
            if shape[1] != width:
                raise ValueError(f"{folder}: {stem}: {member} has {shape[1]} columns, others have {width}")
        shards.append(Shard(stem, rows))
    return tuple(shards)


@cache
def _fingerprint(pool: DataComp, state: tuple[object, ...]) -> str:
    folder = pool.folder.expanduser()
    members = tuple(MEMBERS[pool.teacher].values())
    shards = _shards(pool, state)
    tables = hash_files([folder / f"{shard.name}.parquet" for shard in shards])
    content: list[Any] = [
        (shard.name, shard.rows, member_checksums(folder / f"{shard.name}.npz", members), table)
        for shard, table in zip(shards, tables, strict=True)
    ]
    content += hash_files([path.expanduser() for path in pool.targets])
    content.append(hash_file(pool.moment.expanduser()) if pool.moment else None)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
