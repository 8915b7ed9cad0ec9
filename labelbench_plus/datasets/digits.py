"""Handwritten digits: 1,797 grey images of 8 x 8 pixels, shipped inside scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._scikit_learn import shipped
from labelbench_plus.datasets._splits import stratified_split
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.reference import Reference

SIZES = (1097, 200, 500)
SPLIT_SEED = 0


@datasets.register("digits")
@dataclass(frozen=True)
class Digits(Dataset):
    """Ten classes; pool 1,097, validation 200, test 500, stratified with a fixed seed.

    The source counts 0..16 in a pixel; here that is stretched to 0..255, what a uint8 image spans everywhere
    else.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.

    Example
    -------
    dataset: digits
    """

    title = "Handwritten digits"
    reference = Reference(("Alpaydin", "Kaynak"), 1998, "Optical recognition of handwritten digits", venue="UCI")
    mirror_keeps_class = False

    def load(self) -> LabelledData:
        table = _table()
        images = np.rint(table[:, :64].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        labels = table[:, 64].astype(np.int64)
        pool, validation, test = (
            Split(images[part], labels[part]) for part in stratified_split(labels, SIZES, SPLIT_SEED)
        )
        return LabelledData(pool, validation, test, class_names=tuple("0123456789"))

    def fingerprint(self) -> str:
        return _fingerprint(self)


def _table() -> np.ndarray:
    """(1797, 65): the pixels and the class. Read without importing scikit-learn, which takes seconds."""
    if (file := shipped("digits.csv.gz")) is not None:
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    return np.column_stack(load_digits(return_X_y=True))


@cache
def _fingerprint(dataset: Digits) -> str:
    return hash_labelled_data(dataset.load())
