"""Mosaics: four images of another data set, and the set of their classes."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.datasets import datasets


def build(**more):
    return datasets.build({"name": "mosaics", "dataset": "digits", "pool": 50, "validation": 10, "test": 20, **more})


def test_the_tiles_are_images_of_the_same_part_and_the_labels_their_classes():
    digits, data = datasets.build("digits").load(), build().load()
    for ours, theirs, size in ((data.pool, digits.pool, 50), (data.test, digits.test, 20)):
        assert ours.inputs.shape == (size, 16, 16)
        assert ours.inputs.dtype == np.uint8
        class_of = {image.tobytes(): label for image, label in zip(theirs.inputs, theirs.labels, strict=True)}
        for mosaic, labels in zip(ours.inputs, ours.labels, strict=True):
            tiles = [mosaic[i : i + 8, j : j + 8].tobytes() for i in (0, 8) for j in (0, 8)]
            assert set(np.flatnonzero(labels)) == {class_of[tile] for tile in tiles}
    assert data.class_names == digits.class_names


def test_it_is_the_same_every_time_and_another_with_other_sizes():
    assert build().fingerprint() == build().fingerprint() != build(pool=51).fingerprint()


def test_what_cannot_be_tiled_is_refused(tmp_path):
    arrays = {f"{part}_{what}": np.zeros((2, 3)) if what == "inputs" else np.arange(2)
              for part in ("pool", "validation", "test") for what in ("inputs", "labels")}  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    for other in ({"name": "arrays", "path": str(tmp_path / "a.npz")}, {"name": "mosaics", "dataset": "digits"}):
        with pytest.raises(ValueError, match="images of one size in memory with one class each"):
            build(dataset=other).load()
