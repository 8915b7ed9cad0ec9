"""The shared pool of 12,001 pairs in DataComp's format, with scores and selections of the original programs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

FOLDER = Path(__file__).parents[3] / "shared" / "fixtures" / "dataselect"
METADATA = FOLDER / "metadata"
BATCH, TEMPERATURE, DRAWS = 1024, 0.01, 3  # of the recorded negCLIPLoss
PERMUTED = (2001, 2400, 3000, 2000, 2600)  # sizes of the shards in the order of the recorded permutations


def required() -> None:
    """Skip the test where the shared folder is absent."""
    if not FOLDER.is_dir():
        pytest.skip("the shared fixtures/dataselect is not beside the repository")


@cache
def expected() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "expected.npz") as file:
        return {name: file[name] for name in file.files}


def area_above(high: np.ndarray, low: np.ndarray) -> float:
    """How often a value of `high` is above one of `low`, ties counted half: the area under the curve."""
    ranks = rankdata(np.concatenate([low, high]))
    return 1 - float(ranks[: len(low)].mean() - (len(low) + 1) / 2) / len(high)


def permutations(name: str, size: int, skip: int = 0) -> list[np.ndarray]:
    """The recorded permutations of the shard with so many rows; the first `skip` recorded are of something else."""
    recorded, lengths = expected()[f"{name}perms"], expected()[f"{name}perm_len"]
    ends = np.cumsum(lengths)
    return [
        recorded[end - length : end].astype(np.int64)
        for end, length in zip(ends[skip:], lengths[skip:], strict=True)
        if length == size
    ]
