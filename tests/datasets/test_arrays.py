"""Your own data: read from a file, and every mistake in it told at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_plus.datasets import datasets
from labelbench_plus.plugins import describe


def content(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    good = {}
    for part, n in (("pool", 9), ("validation", 3), ("test", 6)):
        good[f"{part}_inputs"] = rng.normal(size=(n, 4))
        good[f"{part}_labels"] = np.arange(n) % 3
    return {name: array for name, array in {**good, **changes}.items() if array is not None}


def write(folder: Path, **changes: Any) -> Any:
    np.savez(folder / "mine.npz", **content(**changes))
    return datasets.build({"name": "arrays", "path": str(folder / "mine.npz")})


def test_a_good_file_is_read_as_it_is(tmp_path: Path) -> None:
    data = write(tmp_path).load()
    assert np.array_equal(data.pool.inputs, content()["pool_inputs"])
    assert data.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.test.labels.dtype == np.int64
    assert data.class_names == ("0", "1", "2")


def test_images_and_class_names(tmp_path: Path) -> None:
    images = {
        f"{part}_inputs": np.zeros((n, 5, 6, 3), np.uint8) for part, n in (("pool", 9), ("validation", 3), ("test", 6))
    }
    data = write(tmp_path, **images, class_names=["cat", "dog", "cow", "never seen"]).load()
    assert data.class_names == ("cat", "dog", "cow", "never seen")
    assert data.pool.inputs.shape == (9, 5, 6, 3)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    first = write(tmp_path)
    before = first.fingerprint()
    (tmp_path / "elsewhere").mkdir()
    assert write(tmp_path / "elsewhere").fingerprint() == before
    assert describe(first, semantic_only=True) == {"name": "arrays", "version": 1}
    changed = content()["test_labels"]
    changed[0] = 2
    second = write(tmp_path, test_labels=changed)
    os.utime(tmp_path / "mine.npz", ns=(1, 1))
    assert second == first
    assert second.fingerprint() != before


IMAGES = np.zeros((9, 5, 6), np.uint8)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"test_inputs": None, "pool_labels": None}, ["missing: pool_labels, test_inputs"]),
        ({"pool_label": np.zeros(9, int)}, ["unknown: pool_label (known: pool_inputs"]),
        ({"pool_inputs": np.zeros((9, 4), int)}, ["pool_inputs must be uint8 images", "got int64 (9, 4)"]),
        ({"pool_inputs": np.zeros((9, 4, 4))}, ["pool_inputs must be uint8 images", "float64 (9, 4, 4)"]),
        ({"pool_inputs": IMAGES}, ["validation_inputs are float64 (4,) each, those of the pool uint8 (5, 6)"]),
        ({"test_inputs": np.zeros((6, 5))}, ["test_inputs are float64 (5,) each, those of the pool float64 (4,)"]),
        ({"test_inputs": np.zeros((0, 4)), "test_labels": np.zeros(0, int)}, ["test_inputs is empty"]),
        ({"validation_inputs": np.diag([1.0, np.inf, 1, 1])[:3]}, ["validation_inputs must be finite, row 1 is not"]),
        (
            {"pool_labels": np.zeros(9)},
            ["labels must be of one type, all integers for classes or all floats for real values, got float64 in pool"],
        ),
        ({"pool_labels": np.zeros((9, 1), int)}, ["pool_labels must be integers (n,), or float64", "got int64 (9, 1)"]),
        ({"pool_labels": np.zeros(9, complex)}, ["pool_labels must be integers (n,), or float64"]),
        ({"pool_labels": np.zeros(8, int)}, ["pool has 9 inputs and 8 labels"]),
        ({"pool_labels": np.arange(9) % 3 + 5}, ["labels must be 0..K-1", "0..7, 6 different"]),
        ({"pool_labels": np.arange(9) - 1}, ["labels must be 0..K-1", "-1..7"]),
        ({"pool_labels": np.arange(9) * 2}, ["labels must be 0..K-1", "class_names"]),
        ({"class_names": ["a", "b"]}, ["labels must be 0..1 as there are 2 class_names, got 0..2"]),
        (
            {"pool_labels": np.arange(9) % 2, "class_names": ["a", "b", "c"]},
            ["class 2 is in the validation part and not in the pool"],
        ),
        ({"class_names": ["a", "b", "a"]}, ["class_names has repetitions"]),
        ({"class_names": [1, 2, 3]}, ["class_names must be strings (K,), got int64 (3,)"]),
        ({"pool_labels": np.zeros(8, int), "test_inputs": None}, ["missing: test_inputs", "pool has 9 inputs"]),
    ],
)
def test_every_mistake_is_named(changes: dict[str, Any], messages: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        write(tmp_path, **changes).load()
    assert str(caught.value).startswith(f"{tmp_path / 'mine.npz'}: ")
    for message in messages:
        assert message in str(caught.value)


def test_no_file_and_no_such_file(tmp_path: Path) -> None:
    for act in ("load", "fingerprint"):
        with pytest.raises(FileNotFoundError, match=r"mine\.npz: no such file"):
            getattr(datasets.build({"name": "arrays", "path": str(tmp_path / "mine.npz")}), act)()


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    dataset = write(tmp_path)
    whole = path.read_bytes()
    np.savez(path, **content(pool_labels=np.array([None] * 9)))
    pickled = path.read_bytes()
    np.save(tmp_path / "one.npy", np.zeros(3))
    for wrong in (whole[: len(whole) // 2], b"", b"text", pickled, (tmp_path / "one.npy").read_bytes()):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="not a file of plain arrays"):
            dataset.load()


TOKENS = {
    "pool_token_lengths": np.array([1, 2, 1, 1, 1, 1, 1, 1, 1]),
    "pool_token_entropy": np.linspace(0.1, 1.0, 10),
    "pool_token_first": np.linspace(0.9, 0.4, 10),
    "pool_token_second": np.full(10, 0.1),
}


def test_prices_and_token_statistics_come_along(tmp_path: Path) -> None:
    plain = write(tmp_path)
    before = plain.fingerprint()
    assert plain.provides == frozenset()
    rich = write(tmp_path, pool_prices=np.arange(1, 10), **TOKENS)
    os.utime(tmp_path / "mine.npz", ns=(1, 1))
    assert rich.fingerprint() != before
    assert rich.provides == {"token_uncertainty"}
    data = rich.load()
    assert data.pool_prices is not None and data.pool_prices.tolist() == list(range(1, 10))
    # Entropy, least confidence and margin of the least sure token; the second text has two tokens.
    assert data.columns["token_uncertainty"][1] == pytest.approx([0.3, 1 - 0.9 + 2 * 0.5 / 9, 1 - (0.8 - 2 * 0.5 / 9)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool_prices": np.ones(8)}, r"pool_prices must be numbers \(9,\), one per pool item, got float64 \(8,\)"),
        ({"pool_prices": np.arange(9)}, "pool_prices must be positive, item 0 costs 0"),
        ({"pool_token_first": np.ones(9)}, "pool_token_first: needs pool_token_lengths, pool_token_entropy, pool_"),
        ({**TOKENS, "pool_token_lengths": np.ones(9, int)}, "lengths sum to 9, but there are statistics of 10 tokens"),
        ({**TOKENS, "pool_token_lengths": np.ones(3, int)}, r"pool_token_lengths must be \(9,\), one length a pool"),
        ({**TOKENS, "pool_token_entropy": np.full(10, np.nan)}, "pool_token_.*finite"),
    ],
)
def test_mistakes_in_prices_and_token_statistics(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(tmp_path, **changes).load()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_floats_are_real_values_of_their_own_type(tmp_path, dtype):
    values = np.linspace(-3, 3, 9).astype(dtype)
    changes = {f"{part}_labels": values for part in ("pool", "validation", "test")}
    data = write(tmp_path, **changes, **same_inputs()).load()
    assert data.class_names == ()
    assert data.pool.labels.tobytes() == values.tobytes() and data.pool.labels.dtype == dtype


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(tmp_path, bad):
    changes = {f"{part}_labels": np.ones(9) for part in ("pool", "validation", "test")}
    changes["test_labels"] = np.where(np.arange(9) == 4, bad, 1.0)
    with pytest.raises(ValueError, match=f"test_labels must be finite, item 4 is {bad}"):
        write(tmp_path, **changes, **same_inputs()).load()


def test_values_have_no_names(tmp_path):
    changes = {f"{part}_labels": np.ones(9) for part in ("pool", "validation", "test")}
    with pytest.raises(ValueError, match="class_names: real values have none"):
        write(tmp_path, **changes, **same_inputs(), class_names=np.array(["a"])).load()


def same_inputs() -> dict[str, np.ndarray]:
    return {f"{part}_inputs": np.eye(9) for part in ("pool", "validation", "test")}
