"""A data set through an encoder: features computed once, kept in the feature cache, and of augmented copies too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.data.feature_cache import cached
from labelbench_plus.data.hashing import hash_arrays
from labelbench_plus.datasets import Dataset, LabelledData
from labelbench_plus.encoders import Encoder
from labelbench_plus.plugins import describe, label

FEATURES_VERSION = 1  # raised when the computation between encoder and cache changes

CHUNK_IMAGES = 1024

PARTS = ("pool", "validation", "test")


@dataclass(frozen=True)
class Features:
    """All examples of a data set as scaled features.

    Features are shifted by the pool's mean and divided by one number, the root of the pool's average variance, so
    that penalties mean the same for every encoder while angles and ratios of distances stay as the encoder made them.

    Attributes
    ----------
    parts: (n, d) float32 by part, mapped from the cache.
    mean, scale: (d,) and () float64: how raw features became these.
    """

    parts: dict[str, np.ndarray]
    mean: np.ndarray
    scale: float


@cache
def load(dataset: Dataset) -> LabelledData:
    """The data set's examples, read once a process."""
    return dataset.load()


@lru_cache(maxsize=2)  # runs of one suite follow each other on the same problem
def encoded(dataset: Dataset, encoder: Encoder, folder: Path) -> Features:
    """The features of a data set under an encoder, from the cache in `folder` if they were ever computed there."""

    def compute() -> dict[str, np.ndarray]:
        data = load(dataset)
        encode = encoder.fit(data.pool.inputs)
        raw = {part: encode(getattr(data, part).inputs) for part in PARTS}
        mean = raw["pool"].mean(axis=0, dtype=np.float64)
        variance = float(raw["pool"].var(axis=0, dtype=np.float64).mean())
        scale = variance**-0.5 if variance > 0 else 1.0
        scaled = {part: ((values - mean) * scale).astype(np.float32) for part, values in raw.items()}
        return {**scaled, "mean": mean, "scale": np.float64(scale).reshape(1)}

    found = cached(_key(dataset, encoder), compute, folder)
    return Features({part: found[part] for part in PARTS}, found["mean"], float(found["scale"][0]))


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
    """
    inputs = load(dataset).pool.inputs
    if not (isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8 and inputs.ndim in (3, 4)):
        raise ValueError(
            f"data set {label(dataset)!r} has no images to augment; choose an augmentation of features, such as 'noise'"
        )

    def compute() -> dict[str, np.ndarray]:
        encode = encoder.fit(inputs)
        done = []
        for start in range(0, len(rows), CHUNK_IMAGES):
            raw = encode(augment(inputs[rows[start : start + CHUNK_IMAGES]]))
            done.append(((raw - features.mean) * features.scale).astype(np.float32))
        return {"copy": np.concatenate(done)}

    key = {**_key(dataset, encoder), **named, "rows": hash_arrays({"rows": rows}), "chunk": CHUNK_IMAGES}
    return cached(key, compute, folder)["copy"]


def _key(dataset: Dataset, encoder: Encoder) -> dict[str, Any]:
    return {
        "features": FEATURES_VERSION,
        "layout": 2,  # with the mean and the scale
        "data": dataset.fingerprint(),
        "encoder": describe(encoder, semantic_only=True),
        "weights": encoder.fingerprint(),
    }
