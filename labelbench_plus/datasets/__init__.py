"""Data sets: one file each. A data set knows where its examples come from and how they are split, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labelbench_plus.plugins import Plugin, Registry


@dataclass(frozen=True)
class Split:
    """Examples and their classes: `inputs` (n, ...) and `labels` (n,) int64 in 0..K-1."""

    inputs: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class LabelledData:
    """A data set in memory. The split is fixed: it does not depend on a run's seed.

    `pool_prices` (n,) float says what each pool item's label costs; one unit each if None.
    `pool_token_uncertainty` (n, 3) float64 says, where items are texts that a language model has read, how unsure it
    was of its least sure token: by entropy, least confidence and margin (`algorithms.token_uncertainty`).
    """

    pool: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    pool_prices: np.ndarray | None = None
    pool_token_uncertainty: np.ndarray | None = None


class Dataset(Plugin):
    """Where labelled examples come from.

    Attributes
    ----------
    provides: capabilities that views have because these data come with them.
    """

    provides: ClassVar[frozenset[str]] = frozenset()

    def load(self) -> LabelledData:
        """Read the examples. Images are uint8 (n, height, width) or (n, height, width, 3); else float (n, d).

        Raises
        ------
        FileNotFoundError
            The data are not on this machine; the message lists every way to get them.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of the examples, labels and split, so that a run's identity changes with its data."""
        raise NotImplementedError


datasets = Registry("dataset", Dataset, __name__)
