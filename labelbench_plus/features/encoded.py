"""A data set through an encoder: features computed once, kept in the feature cache, and of augmented copies too."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.contracts.datasets import Dataset, Inputs, LabelledData
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.features.decoded import DECODED_VERSION, square
from labelbench_plus.features.hashing import hash_arrays
from labelbench_plus.inputs.image_files import ImageFiles, is_images
from labelbench_plus.plugins import describe, label
from labelbench_plus.store.artefacts import Artefacts, Rows
from labelbench_plus.store.pieces import Pieces

FEATURES_VERSION = 1  # raised when the computation between encoder and cache changes

SHARD_ROWS = 8192  # what an interruption may cost; a multiple of what encoders take at once

CHUNK_IMAGES = 1024

PARTS = ("pool", "validation", "test")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """All examples of a data set as scaled features.

    Features are shifted by the pool's mean and divided by one number, the root of the pool's average variance, so
    that penalties mean the same for every encoder while angles and ratios of distances stay as the encoder made them.
    Those of an encoder that is not `centred` are divided alone.

    Attributes
    ----------
    parts: (n, d) float32 by part; mapped from the cache, unless the encoder has them stored in float16.
    mean, scale: (d,) and () float64: how raw features became these.
    """

    parts: dict[str, np.ndarray]
    mean: np.ndarray
    scale: float


def load(dataset: Dataset) -> LabelledData:
    """The data set's examples, read once a process for each `state` of it."""
    return _loaded(dataset, dataset.state())


@cache
def _loaded(dataset: Dataset, state: tuple[int, ...]) -> LabelledData:
    return dataset.load()


def encoded(dataset: Dataset, encoder: Encoder, folder: Path) -> Features:
    """The features of a data set under an encoder, from the cache in `folder` if they were ever computed there.

    The encoder sees `SHARD_ROWS` inputs at a time, and what it made of them is on disk before it sees the next: work
    that was interrupted, by kill -9 too, goes on behind the last finished shard and comes to the same bits. Memory is
    that of a few shards, however many examples there are. Several processes that want the same features encode shards
    of them side by side. On disk there is room needed for the features twice while they are computed.

    Parts of one shard are not kept on the way: there would be nothing in them to save.
    """
    return _encoded(dataset, encoder, folder, dataset.state())


@lru_cache(maxsize=2)  # runs of one suite follow each other on the same problem
def _encoded(dataset: Dataset, encoder: Encoder, folder: Path, state: tuple[int, ...]) -> Features:

    @cache
    def work() -> dict[str, dict[str, Callable[[], np.ndarray]]]:
        """The shards of each part by name, each as what encodes it."""
        data = load(dataset)
        encode = _fitted_when_needed(encoder, data.pool.inputs)
        empty = functools.partial(lambda: encode(data.pool.inputs[:1])[:0])
        inputs = {part: getattr(data, part).inputs for part in PARTS}
        return {
            part: _shards(encode, of, part, encoder) if len(of) else {f"{part}_0": empty} for part, of in inputs.items()
        }

    def parts() -> dict[str, Callable[[], np.ndarray]]:
        return {name: make for shards in work().values() if len(shards) > 1 for name, make in shards.items()}

    def compute(pieces: Pieces) -> dict[str, np.ndarray | Rows]:
        raw = {
            part: [pieces.keep(name, make) if len(shards) > 1 else make() for name, make in shards.items()]
            for part, shards in work().items()
        }
        mean, variance = _moments(raw["pool"])
        if not encoder.centred:
            mean = np.zeros_like(mean)
        scale = variance**-0.5 if variance > 0 else 1.0
        scaled: dict[str, np.ndarray | Rows] = {
            part: _scaled(shards, mean, scale, encoder.stored) for part, shards in raw.items()
        }
        return {**scaled, "mean": mean, "scale": np.float64(scale).reshape(1)}

    what = f"features of {dataset} under {label(encoder)}"
    found = Artefacts(folder).arrays(_key(dataset, encoder), compute, parts, what)
    features = {part: found[part].astype(np.float32, copy=False) for part in PARTS}
    return Features(features, found["mean"], float(found["scale"][0]))


def encoded_copies(
    dataset: Dataset,
    encoder: Encoder,
    features: Features,
    folder: Path,
    rows: np.ndarray,
    augment: Callable[[np.ndarray], np.ndarray],
    named: dict[str, Any],
) -> np.ndarray:
    """The features of one augmented copy of some of the pool's images, scaled as `encoded` scales.

    Interrupted work goes on as that of `encoded` does; images whose features are there are augmented again, as what is
    drawn for the next ones depends on it, but not encoded.

    Images in files are brought to the encoder's size before they are augmented.

    Parameters
    ----------
    features: those of the data set as it is, whose mean and scale are used.
    rows: (m,) of the data set's pool.
    augment: uint8 images (b, h, w) or (b, h, w, 3) to augmented ones of the same kind. Called with all rows in order,
        `CHUNK_IMAGES` at a time: what it draws depends on that.
    named: what `augment` is, as JSON values (its description and the number of the copy): part of the cache's key.

    Returns
    -------
    (m, d) float32.

    Raises
    ------
    ValueError
        The data set has no images.
    """
    inputs = load(dataset).pool.inputs
    read = _reader(inputs, encoder)
    if read is None:
        raise ValueError(
            f"data set {label(dataset)!r} has no images to augment before encoder {encoder.name!r}; choose an "
            "augmentation of features, such as 'noise'"
        )

    def compute(pieces: Pieces) -> dict[str, np.ndarray | Rows]:
        encode = _fitted_when_needed(encoder, inputs)
        raw = []
        for start in range(0, len(rows), CHUNK_IMAGES):
            changed = augment(read(rows[start : start + CHUNK_IMAGES]))
            make = functools.partial(encode, changed)
            raw.append(make() if len(rows) <= SHARD_ROWS else pieces.keep(f"copy_{start}", make))
        return {"copy": _scaled(raw, features.mean, features.scale, encoder.stored)}

    key = {**_key(dataset, encoder), **named, "rows": hash_arrays({"rows": rows}), "chunk": CHUNK_IMAGES}
    if isinstance(inputs, ImageFiles):
        key["decoded"] = DECODED_VERSION
    what = f"features of augmented {dataset} under {label(encoder)}"
    return Artefacts(folder).arrays(key, compute, what=what)["copy"].astype(np.float32, copy=False)


def _reader(inputs: Inputs, encoder: Encoder) -> Callable[[np.ndarray], np.ndarray] | None:
    """The function from rows to uint8 images of one size, if there are images."""
    if is_images(inputs):
        return lambda rows: inputs[rows]
    side = encoder.side()
    if not isinstance(inputs, ImageFiles) or side is None:
        return None

    def read(rows: np.ndarray) -> np.ndarray:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return np.stack(list(threads.map(lambda row: square(inputs.decode(row), side), rows.tolist())))

    return read


def _fitted_when_needed(encoder: Encoder, pool_inputs: Inputs) -> Callable[[Inputs], np.ndarray]:
    """What `fit` returns, fitted at the first call: where all shards are done there is no need to."""
    fitted = cache(lambda: encoder.fit(pool_inputs))
    return lambda inputs: fitted()(inputs)


def _shards(
    encode: Callable[[Inputs], np.ndarray], inputs: Inputs, part: str, encoder: Encoder
) -> dict[str, Callable[[], np.ndarray]]:
    """The raw features of a part's inputs, `SHARD_ROWS` at a time, by name; at least one shard, if an empty one."""

    def make(start: int) -> np.ndarray:
        found = encode(inputs[start : start + SHARD_ROWS] if len(inputs) > SHARD_ROWS else inputs)
        if len(inputs) > SHARD_ROWS:
            logger.info("encoder %r, %s: %d of %d inputs", encoder.name, part, start + len(found), len(inputs))
        return found

    return {f"{part}_{start}": functools.partial(make, start) for start in range(0, max(len(inputs), 1), SHARD_ROWS)}


def _moments(shards: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Mean (d,) and average variance of all rows, in float64 and in one order: one row after another."""
    count, width = sum(map(len, shards)), shards[0].shape[1]
    total = np.zeros(width)
    for chunk in _chunks(shards):
        total = np.vstack([total, chunk]).sum(axis=0)
    mean = total / count
    squares = np.zeros(width)
    for chunk in _chunks(shards):
        squares = np.vstack([squares, (chunk - mean) ** 2]).sum(axis=0)
    return mean, float((squares / count).mean())


def _scaled(shards: Sequence[np.ndarray], mean: np.ndarray, scale: float, stored: str) -> Rows:
    """Shards shifted and scaled, as they are written.

    Raises
    ------
    ValueError
        They are too large for float16, once written.
    """
    dtype = np.dtype(stored)

    def chunks() -> Iterator[np.ndarray]:
        for chunk in _chunks(shards):
            with np.errstate(over="ignore"):
                values = ((chunk - mean) * scale).astype(dtype)
            if dtype == np.float16 and np.isinf(values).any():
                raise ValueError("a scaled feature is beyond 65,504, the largest number of float16")
            yield values

    return Rows((sum(map(len, shards)), shards[0].shape[1]), dtype, chunks())


def _chunks(shards: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """All rows in order, few enough at a time for a copy in float64."""
    for shard in shards:
        for start in range(0, len(shard), CHUNK_IMAGES):
            yield shard[start : start + CHUNK_IMAGES]


def _key(dataset: Dataset, encoder: Encoder) -> dict[str, Any]:
    return {
        "features": FEATURES_VERSION,
        "layout": 2,  # with the mean and the scale
        "data": dataset.fingerprint(),
        "encoder": describe(encoder, semantic_only=True),
        "weights": encoder.fingerprint(),
        **({} if encoder.centred else {"centred": False}),
    }
