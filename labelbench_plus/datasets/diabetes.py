"""Diabetes: how the disease of 442 patients went on within a year, shipped inside scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._scikit_learn import shipped
from labelbench_plus.datasets._splits import random_split
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.reference import Reference

SIZES = (282, 40, 120)
SPLIT_SEED = 0


@datasets.register("diabetes")
@dataclass(frozen=True)
class Diabetes(Dataset):
    """Real values; pool 282, validation 40, test 120, divided at random with a fixed seed.

    Ten features in their own units (age, sex, body mass index, blood pressure, six blood serum measurements); the label
    is a measure of disease progression a year later, from 25 to 346.

    Source: Efron, Hastie, Johnstone, Tibshirani, Least angle regression, Annals of Statistics 32 (2004).

    Example
    -------
    dataset: diabetes
    """

    title = "Diabetes"
    reference = Reference(
        ("Efron", "Hastie", "Johnstone", "Tibshirani"), 2004, "Least angle regression", venue="Annals of Statistics"
    )

    def load(self) -> LabelledData:
        features, values = _table()
        pool, validation, test = (
            Split(features[part], values[part]) for part in random_split(len(values), SIZES, SPLIT_SEED)
        )
        return LabelledData(pool, validation, test, ())

    def fingerprint(self) -> str:
        return _fingerprint(self)


def _table() -> tuple[np.ndarray, np.ndarray]:
    """(442, 10) features and (442,) values. Read without importing scikit-learn, which takes seconds."""
    features, values = shipped("diabetes_data_raw.csv.gz"), shipped("diabetes_target.csv.gz")
    if features is not None and values is not None:
        return np.loadtxt(features), np.loadtxt(values)
    from sklearn.datasets import load_diabetes

    raw, values = load_diabetes(return_X_y=True, scaled=False)
    return raw, values


@cache
def _fingerprint(dataset: Diabetes) -> str:
    return hash_labelled_data(dataset.load())
