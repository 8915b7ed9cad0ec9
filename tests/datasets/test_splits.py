"""Fixed splits: exact sizes, fair shares, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelbench_plus.datasets._splits import stratified_split


@given(
    labels=st.lists(st.integers(-3, 6), min_size=3, max_size=60),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_parts_are_a_partition_of_the_right_sizes_with_fair_shares(
    labels: list[int], cuts: tuple[float, float], seed: int
) -> None:
    n = len(labels)
    first = 1 + int(cuts[0] * (n - 3))
    sizes = (first, 1 + int(cuts[1] * (n - first - 2)))
    sizes = (*sizes, n - sum(sizes))
    classes = np.array(labels)
    parts = stratified_split(classes, sizes, seed)
    assert [len(part) for part in parts] == list(sizes)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    left = np.arange(n)
    for part, size in zip(parts, sizes, strict=True):
        for k in set(labels):
            share = (classes[left] == k).sum() * size / len(left)
            assert np.floor(share) <= (classes[part] == k).sum() <= np.ceil(share)
        left = np.setdiff1d(left, part)


def test_the_split_never_changes() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    parts = stratified_split(labels, (6, 3, 3), seed=0)
    assert [part.tolist() for part in parts] == [[11, 3, 2, 8, 6, 7], [1, 4, 10], [0, 5, 9]]


def test_the_order_within_a_part_tells_nothing_about_classes() -> None:
    labels = np.repeat([0, 1], 2000)
    part, _ = stratified_split(labels, (2000, 2000), seed=1)
    assert abs(labels[part][:1000].mean() - 0.5) < 0.06  # 500 +- 16 of the one class expected


def test_seeds_give_different_splits_and_labels_may_be_any_integers() -> None:
    labels = np.repeat([-7, 40], 50).astype(np.int16)
    one, other = (stratified_split(labels, (50, 50), seed)[0] for seed in (0, 1))
    assert set(one.tolist()) != set(other.tolist())
    assert (labels[one] == 40).sum() == (labels[other] == 40).sum() == 25


@pytest.mark.parametrize(
    ("labels", "sizes", "message"),
    [
        (np.zeros(4, dtype=int), (2, 1), "add up to 4"),
        (np.zeros(4, dtype=int), (4, 0), "positive"),
        (np.zeros(4, dtype=int), (), "add up to 4"),
        (np.zeros(4), (2, 2), "integers"),
        (np.zeros((4, 1), dtype=int), (2, 2), "integers"),
    ],
)
def test_impossible_splits_are_refused(labels: np.ndarray, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stratified_split(labels, sizes, seed=0)
