"""DIRECT: version spaces, thresholds and neighbourhoods against searches over every threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.direct import _around, _best_threshold, _spread, _version_space, direct
from labelbench_plus.algorithms.galaxy import OneVsRest


def rows(n: int, k: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, k, generator=generator, dtype=torch.float64) * 2).softmax(1).to(dtype)


marked_lines = st.lists(st.sampled_from([None, True, False]), min_size=1, max_size=15)


def split(line: list[bool | None]) -> tuple[np.ndarray, np.ndarray]:
    places = [place for place, side in enumerate(line) if side is not None]
    return np.array(places, dtype=np.int64), np.array([line[place] for place in places], dtype=bool)


@settings(max_examples=100, deadline=None)
@given(marked_lines)
def test_the_best_threshold_errs_least_and_is_the_lowest(line: list[bool | None]) -> None:
    def errors(threshold: int) -> int:
        return sum(side is not None and side != (place < threshold) for place, side in enumerate(line))

    assert _best_threshold(*split(line)) == min(range(len(line) + 1), key=lambda s: (errors(s), s))


@settings(max_examples=100, deadline=None)
@given(marked_lines)
def test_the_version_space_is_what_the_labels_leave_open(line: list[bool | None]) -> None:
    first_not = next((i for i, side in enumerate(line) if side is False), len(line))
    last_is = next((i for i in reversed(range(len(line))) if line[i] is True), -1)
    start = max((i for i, side in enumerate(line) if side is True and i < first_not), default=0)
    end = min((i for i, side in enumerate(line) if side is False and i > last_is), default=len(line) - 1)
    assert _version_space(*split(line), len(line)) == (start, end)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_neighbours_alternate_before_and_after_the_threshold(taken: list[bool], threshold: int, count: int) -> None:
    threshold, count = min(threshold, len(taken)), min(count, taken.count(False))
    before = [place for place in reversed(range(threshold)) if not taken[place]]
    after = [place for place in range(threshold, len(taken)) if not taken[place]]
    expected = []
    while len(expected) < count:
        for side in (before, after):
            if side and len(expected) < count:
                expected.append(side.pop(0))
    order = np.arange(len(taken))
    assert _around(order, np.array(taken), threshold, count).tolist() == expected


def test_parts_are_equal_and_what_is_left_over_goes_first() -> None:
    assert _spread(7, np.array([2, 0, 1])) == [(2, 3), (0, 2), (1, 2)]
    assert _spread(2, np.array([2, 0, 1])) == [(2, 1), (0, 1)]
    assert _spread(0, np.array([0, 1])) == []


def test_without_exploration_it_surrounds_the_thresholds_rarest_class_first() -> None:
    p = rows(90, 3, seed=0)
    labels = torch.tensor([0] * 5 + [1] * 3 + [2] * 4)
    picks = direct(p[12:], p[:12], labels, 10, np.random.default_rng(0), exploration=0.0)
    lines, taken, expected = OneVsRest(p[12:], p[:12]), set(range(12)), []
    for k, part in ((1, 4), (2, 3), (0, 3)):
        line = lines.order(k).tolist()

        def errors(s: int, line: list[int] = line, k: int = k) -> int:
            return sum((labels[row] == k) != (place < s) for place, row in enumerate(line) if row < 12)

        s = min(range(91), key=lambda s: (errors(s), s))
        before, after = line[:s][::-1], line[s:]
        for turn in range(2 * part + 60):
            side = before if turn % 2 == 0 else after
            free = [row for row in side if row not in taken]
            if free and part:
                taken.add(free[0])
                expected.append(free[0] - 12)
                part -= 1
    assert picks.tolist() == expected


def test_exploration_draws_uniformly_from_the_version_space_and_leaves_the_rest() -> None:
    # One line, most surely class 0 first. Labels at places 2 (0) and 9 (1): places 3 ... 8 are open.
    sure = torch.linspace(0.9, 0.1, 12, dtype=torch.float64)
    p = torch.stack([sure, 1 - sure], dim=1)
    candidates = [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]
    counts = np.zeros(12)
    for seed in range(600):
        picks = direct(p[candidates], p[[2, 9]], torch.tensor([0, 1]), 2, np.random.default_rng(seed), exploration=1.0)
        counts[[candidates[row] for row in picks.tolist()]] += 1
    assert counts[[0, 1, 2, 9, 10, 11]].sum() == 0
    assert ((counts[3:9] - 200) ** 2 / 200).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001
    # More than the version space holds: the rest goes around the threshold, which is just after place 2.
    picks = direct(p[candidates], p[[2, 9]], torch.tensor([0, 1]), 8, np.random.default_rng(0), exploration=1.0)
    assert {candidates[row] for row in picks.tolist()} == {1, 3, 4, 5, 6, 7, 8, 10}


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_batches_are_exact_distinct_and_repeatable(k: int, dtype: torch.dtype) -> None:
    p = rows(40, k, seed=1, dtype=dtype)
    labels = torch.arange(6) % k
    for n in (0, 1, 5, 34):
        picks = direct(p[6:], p[:6], labels, n, np.random.default_rng(0))
        assert picks.dtype == torch.long
        assert len(set(picks.tolist())) == n
        assert torch.equal(picks, direct(p[6:], p[:6], labels, n, np.random.default_rng(0)))
        assert len(set(direct(p, p[:0], labels[:0], n, np.random.default_rng(0)).tolist())) == n
    same = torch.full((9, k), 1 / k)
    assert len(set(direct(same, same[:2], torch.tensor([0, 1]), 9, np.random.default_rng(0)).tolist())) == 9


def test_what_does_not_fit_is_refused() -> None:
    p, labels = rows(10, 3, seed=2), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="cannot pick 11 of 10"):
        direct(p, p[:2], labels, 11, np.random.default_rng(0))
    with pytest.raises(ValueError, match="exploration"):
        direct(p, p[:2], labels, 1, np.random.default_rng(0), exploration=1.5)
    with pytest.raises(ValueError, match="labels must be integers"):
        direct(p, p[:2], labels.float(), 1, np.random.default_rng(0))
