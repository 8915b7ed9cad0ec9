"""Data sets: one file each. A data set knows where its examples come from and how they are split, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import Plugin, Registry

Inputs = np.ndarray | ImageFiles | Texts


@dataclass(frozen=True)
class Split:
    """Examples and their classes.

    Attributes
    ----------
    inputs: n of them, one of:
        uint8 images (n, height, width) or (n, height, width, 3) of one size; float vectors (n, d);
        `ImageFiles`, images of any size that are decoded when asked for;
        `Texts`, strings.
    labels: (n,) int64 in 0..K-1; of a multi-label data set (n, K) 0 or 1.
    groups: (n,) int64, for scores of the worst group (WILDS), or None.
    """

    inputs: Inputs
    labels: np.ndarray
    groups: np.ndarray | None = None

    @property
    def array(self) -> np.ndarray:
        """The inputs, where they are an array.

        Raises
        ------
        TypeError
            They are files of images, or texts.
        """
        if not isinstance(self.inputs, np.ndarray):
            raise TypeError(f"inputs in memory are needed here: an array, not {type(self.inputs).__name__}")
        return self.inputs


@dataclass(frozen=True)
class LabelledData:
    """A data set in memory. The split is fixed: it does not depend on a run's seed.

    `pool_prices` (n,) float says what each pool item's label costs; one unit each if None.
    `pool_token_uncertainty` (n, 3) float64 says, where items are texts that a language model has read, how unsure it
    was of its least sure token: by entropy, least confidence and margin (`algorithms.token_uncertainty`).
    `templates` are the sentences that a zero-shot head puts class names into: "a photo of a {}.".
    """

    pool: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    pool_prices: np.ndarray | None = None
    pool_token_uncertainty: np.ndarray | None = None
    templates: tuple[str, ...] = ()


class Dataset(Plugin):
    """Where labelled examples come from.

    Attributes
    ----------
    provides: capabilities that views have because these data come with them.
    """

    provides: ClassVar[frozenset[str]] = frozenset()

    def load(self) -> LabelledData:
        """Read the examples, or where they are read when asked for.

        Raises
        ------
        FileNotFoundError
            The data are not on this machine; the message lists every way to get them.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of the examples, labels and split, so that a run's identity changes with its data."""
        raise NotImplementedError


datasets = Registry("dataset", Dataset, "labelbench_plus.datasets")
