"""Made-up data: inputs and labels drawn once, the same for every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from labelbench_plus.datasets import LabelledData, Split
from labelbench_plus.seeding import Streams

SEED = 0


def generated(
    name: str,
    draw: Callable[[int, Generator], tuple[np.ndarray, np.ndarray]],
    pool: int,
    validation: int,
    test: int,
    classes: tuple[str, ...] = (),
) -> LabelledData:
    """Data whose parts have these sizes.

    Parameters
    ----------
    name: of the data: part of the key that draws go by.
    draw: makes inputs (n, d) and labels (n,).
    classes: what the labels are called; empty where they are real values.
    """
    streams = Streams(SEED)

    def split(part: str, size: int) -> Split:
        return Split(*draw(size, streams.rng(f"{name} {part}")))

    return LabelledData(split("pool", pool), split("validation", validation), split("test", test), classes)
