"""Hashes change exactly with the content."""

from __future__ import annotations

import numpy as np
import pytest

from labelbench_plus.datasets import LabelledData, Split
from labelbench_plus.features.hashing import hash_arrays, hash_labelled_data

BASE = np.arange(6, dtype=np.int32).reshape(2, 3)


def test_equal_content_hashes_alike_whatever_its_layout() -> None:
    same = [BASE, np.asfortranarray(BASE), BASE.astype(">i4"), np.repeat(BASE, 2, axis=1)[:, ::2]]
    assert len({hash_arrays({"a": array}) for array in same}) == 1
    assert hash_arrays({"a": np.zeros((0, 3)), "b": np.array(3)}) == hash_arrays(
        {"a": np.zeros((0, 3)), "b": np.array(3)}
    )


def test_any_difference_shows() -> None:
    changed = BASE.copy()
    changed[1, 2] += 1
    variants = [
        {"a": BASE},
        {"b": BASE},
        {"a": changed},
        {"a": BASE.reshape(3, 2)},
        {"a": BASE.astype(np.int64)},
        {"a": BASE.view(np.float32)},
        {"a": BASE, "b": BASE[:0]},
        {"a": BASE[:1], "b": BASE[1:]},
    ]
    assert len({hash_arrays(variant) for variant in variants}) == len(variants)


def test_columns_count_and_those_of_tokens_as_they_always_did() -> None:
    def data(**more: object) -> str:
        split = Split(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
        prices = np.array([1.0, 2.0, 3.0])
        return hash_labelled_data(LabelledData(split, split, split, ("a", "b"), pool_prices=prices, **more))  # type: ignore[arg-type]

    tokens = np.arange(9.0).reshape(3, 3)
    published = "a6d2b9826ffb7d691a6025216c4ab04f4d4c3d30103322ebf81662359b53c413"  # before there were columns
    assert data(pool_token_uncertainty=tokens) == data(columns={"token_uncertainty": tokens}) == published
    texts = np.array(["x", "y", "z"], dtype=object)
    others = [{}, {"tasks": np.arange(3)}, {"tasks": np.arange(3)[::-1]}, {"kind": np.arange(3)}, {"tasks": texts}]
    assert len({data(columns=columns) for columns in others}) == len(others)


@pytest.mark.parametrize(
    ("name", "column", "fault"),
    [
        ("tasks", np.arange(2), r"column 'tasks' has 2 rows; the pool has 3 items"),
        ("prices", np.arange(3), r"'prices' would be read as view.prices, which is taken or no name"),
        ("labels", np.arange(3), r"which is taken"),
        ("_tasks", np.arange(3), r"or no name"),
        ("my tasks", np.arange(3), r"or no name"),
    ],
)
def test_a_column_is_of_the_pool_and_can_be_read(name: str, column: np.ndarray, fault: str) -> None:
    split = Split(np.eye(3), np.array([0, 1, 0]))
    with pytest.raises(ValueError, match=fault):
        LabelledData(split, split, split, ("a", "b"), columns={name: column})


def test_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="'a' holds Python objects"):
        hash_arrays({"a": np.array([{}], dtype=object)})


def test_moving_an_example_to_another_part_or_place_shows() -> None:
    def data(order: list[int], pool: int, names: tuple[str, ...] = ("x", "y")) -> LabelledData:
        inputs, labels = np.eye(6)[order], np.array([0, 1, 0, 1, 0, 1])[order]
        bounds = [(0, pool), (pool, 5), (5, 6)]
        return LabelledData(*(Split(inputs[a:b], labels[a:b]) for a, b in bounds), class_names=names)  # type: ignore[misc]

    straight = list(range(6))
    assert hash_labelled_data(data(straight, 3)) == hash_labelled_data(data(straight, 3))
    others = [
        data(straight, 4),
        data([2, 1, 0, 3, 4, 5], 3),
        data(straight, 3, ("y", "x")),
        data(straight, 3, ("xy", "")),
    ]
    assert len({hash_labelled_data(other) for other in [data(straight, 3), *others]}) == 5
