"""The embedded digits: every image once, in its split, in 0..255."""

from __future__ import annotations

import numpy as np

from labelbench_plus.datasets import datasets
from labelbench_plus.features.hashing import hash_labelled_data


def test_every_image_is_in_exactly_one_part_and_keeps_its_label() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    data = datasets.build("digits").load()
    parts = (data.pool, data.validation, data.test)
    assert [part.inputs.shape for part in parts] == [(1097, 8, 8), (200, 8, 8), (500, 8, 8)]
    assert all(part.inputs.dtype == np.uint8 and part.labels.dtype == np.int64 for part in parts)
    inputs = np.concatenate([part.inputs for part in parts])
    assert (inputs.min(), inputs.max()) == (0, 255)
    labels = np.concatenate([part.labels for part in parts])
    ours = np.column_stack([inputs.reshape(-1, 64) / 255 * 16, labels])
    theirs = np.column_stack([source.data, source.target])
    rounded = [array[np.lexsort(np.rint(array).T)] for array in (ours, theirs)]
    np.testing.assert_allclose(*rounded, atol=0.04)  # half a step of 1/255, in units of 16


def test_classes_have_their_share_of_every_part() -> None:
    data = datasets.build("digits").load()
    assert data.class_names == tuple("0123456789")
    for part in (data.pool, data.validation, data.test):
        counts = np.bincount(part.labels, minlength=10)
        assert counts.max() - counts.min() <= 0.06 * len(part.labels) / 10 + 2  # 174 to 183 of a class exist


def test_neither_content_nor_split_ever_changes() -> None:
    dataset = datasets.build("digits")
    assert dataset.fingerprint() == "6d5753a1388cc455e246fc58ce7971cb7d294e3a6220efff738545a54ba8df11"
    assert hash_labelled_data(dataset.load()) == dataset.fingerprint()


def test_what_is_loaded_belongs_to_the_caller() -> None:
    dataset = datasets.build("digits")
    dataset.load().pool.inputs[:] = 0
    assert dataset.load().pool.inputs.any()
