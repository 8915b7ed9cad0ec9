"""GALAXY against a walk along every node of the line for every pick."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.galaxy import OneVsRest, galaxy


def rows(n: int, k: int, seed: int, dtype: torch.dtype = torch.float64, coarse: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    p = (torch.randn(n, k, generator=generator, dtype=torch.float64) * 2).exp()
    p = p.round() + 0.5 if coarse else p  # many ties, within rows and between them
    return (p / p.sum(1, keepdim=True)).to(dtype)


def slow_line(p: np.ndarray, k: int) -> list[int]:
    def place(row: int) -> tuple[float, int]:
        own, top = p[row, k], max(p[row])
        return float(-own if own == top else top - own), row

    return sorted(range(len(p)), key=place)


def slow_galaxy(candidates: Tensor, labelled: Tensor, labels: list[int], n: int, rng: np.random.Generator) -> list[int]:
    p = torch.cat([labelled, candidates]).numpy()
    m, classes = len(labels), p.shape[1]
    believed = labels + [int(np.argmax(row)) for row in p[m:]]
    is_marked = [True] * m + [False] * len(candidates)
    drawn = rng.integers(classes, size=n) if classes > 2 else [0] * n
    at_random: list[int] = []
    picks = []
    for k in drawn:
        line = slow_line(p, int(k))
        marks = [place for place, row in enumerate(line) if is_marked[row]]
        opposite = [
            (i, j) for i, j in itertools.pairwise(marks) if (believed[line[i]] == k) != (believed[line[j]] == k)
        ]
        runs = [(j - i - 1, i, (i + j) // 2) for i, j in opposite if j - i > 1]
        near = [
            (i - place if place < i else place - j, place)
            for i, j in opposite
            for place, row in enumerate(line)
            if j - i == 1 and not is_marked[row]
        ]
        if runs:
            row = line[min(runs)[2]]
        elif near:
            row = line[min(near)[1]]
        else:
            at_random = at_random or [m + int(r) for r in rng.permutation(len(candidates))]
            row = next(r for r in at_random if not is_marked[r])
        is_marked[row] = True
        picks.append(row - m)
    return picks


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4), st.integers(1, 30), st.integers(0, 12), st.booleans(), st.booleans(), st.data()
)  # fmt: skip
def test_picks_are_those_of_the_walk(
    k: int, n_rows: int, m: int, coarse: bool, single: bool, data: st.DataObject
) -> None:
    seed, n = data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, n_rows))
    p = rows(n_rows + m, k, seed, torch.float32 if single else torch.float64, coarse)
    wrong = data.draw(st.lists(st.booleans(), min_size=m, max_size=m))
    labels = [(int(c) + w) % k for c, w in zip(p[:m].argmax(1), wrong, strict=True)]
    picks = galaxy(p[m:], p[:m], torch.tensor(labels, dtype=torch.long), n, np.random.default_rng(seed))
    assert picks.tolist() == slow_galaxy(p[m:], p[:m], labels, n, np.random.default_rng(seed))


def test_longer_batches_are_those_of_the_walk() -> None:
    p = rows(260, 3, seed=1)
    labels = p[:20].argmax(1)
    labels[::4] = (labels[::4] + 1) % 3
    picks = galaxy(p[20:], p[:20], labels, 150, np.random.default_rng(0))
    assert picks.tolist() == slow_galaxy(p[20:], p[:20], labels.tolist(), 150, np.random.default_rng(0))


@pytest.mark.parametrize("cut", [100, 390])
def test_long_stretches_of_labels_around_a_cut_are_walked_over(cut: int) -> None:
    sure = torch.linspace(0.99, 0.01, 500, dtype=torch.float64)
    p = torch.stack([sure, 1 - sure], dim=1)
    known = torch.arange(60, 440)
    rest = torch.cat([torch.arange(60), torch.arange(440, 500)])
    labels = (known >= cut).long()
    picks = galaxy(p[rest], p[known], labels, 110, np.random.default_rng(0))
    expected = slow_galaxy(p[rest], p[known], labels.tolist(), 110, np.random.default_rng(0))
    assert picks.tolist() == expected


def test_a_run_between_opposite_labels_is_bisected_towards_the_model_s_boundary() -> None:
    # One line, most surely class 0 first: places 0 ... 16, labelled at both ends, the model's boundary after 9.
    sure = torch.linspace(0.97, 0.17, 17, dtype=torch.float64)
    p = torch.stack([sure, 1 - sure], dim=1)
    picks = galaxy(p[1:-1], p[[0, -1]], torch.tensor([0, 1]), 6, np.random.default_rng(0))
    # Row r of the candidates is place r + 1. Once 9 and 10 are a cut, its neighbours follow by their distance.
    assert (picks + 1).tolist() == [8, 12, 10, 9, 11, 7]


@pytest.mark.parametrize("k", [2, 5])
def test_lines_put_the_predicted_class_first_and_end_with_the_least_like_it(k: int) -> None:
    p = rows(40, k, seed=2)
    lines = OneVsRest(p[10:], p[:10])
    assert lines.count == (1 if k == 2 else k)
    for c in range(lines.count):
        assert lines.order(c).tolist() == slow_line(p.numpy(), c)


def test_only_bought_labels_matter_and_all_of_them() -> None:
    p = rows(60, 3, seed=3)
    labels = p[:12].argmax(1)
    picks = galaxy(p[12:], p[:12], labels, 20, np.random.default_rng(0))
    assert torch.equal(picks, galaxy(p[12:], p[:12], labels.int(), 20, np.random.default_rng(0)))
    assert not torch.equal(picks, galaxy(p[12:], p[:12], (labels + 1) % 3, 20, np.random.default_rng(0)))


@pytest.mark.parametrize("k", [2, 3])
def test_batches_are_exact_and_distinct_at_the_edges(k: int) -> None:
    p = rows(30, k, seed=4, dtype=torch.float16)
    labels = p[:5].float().argmax(1)
    for n in (0, 1, 25):
        picks = galaxy(p[5:], p[:5], labels, n, np.random.default_rng(0))
        assert picks.dtype == torch.long
        assert len(set(picks.tolist())) == n
        nothing_bought = galaxy(p[5:], p[:0], labels[:0], n, np.random.default_rng(0))
        assert len(set(nothing_bought.tolist())) == n
    same = torch.full((9, k), 1 / k)
    assert len(set(galaxy(same, same[:2], torch.tensor([0, 1]), 9, np.random.default_rng(0)).tolist())) == 9


def test_without_labels_the_first_pick_is_uniform() -> None:
    p = rows(8, 3, seed=5)
    first = [int(galaxy(p, p[:0], torch.zeros(0, dtype=torch.long), 1, np.random.default_rng(s))) for s in range(800)]
    counts = np.bincount(first, minlength=8)
    assert ((counts - 100) ** 2 / 100).sum() < 24.3  # chi-square, 7 degrees of freedom, p = 0.001


def test_what_does_not_fit_is_refused() -> None:
    p, rng = rows(10, 3, seed=6), np.random.default_rng(0)
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="cannot pick 11 of 10"):
        galaxy(p, p[:2], labels, 11, rng)
    with pytest.raises(ValueError, match="one per labelled row"):
        galaxy(p, p[:3], labels, 1, rng)
    with pytest.raises(ValueError, match="0 to 2, got 0 to 3"):
        galaxy(p, p[:2], torch.tensor([0, 3]), 1, rng)
    with pytest.raises(ValueError, match="candidates have 3 classes, labelled rows 2"):
        galaxy(p, torch.full((2, 2), 0.5), labels, 1, rng)
    with pytest.raises(ValueError, match="labelled_probabilities must be finite"):
        galaxy(p, torch.full((2, 3), math.nan), labels, 1, rng)


def test_memory_grows_with_the_lines_that_are_drawn(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
import numpy as np
from labelbench_plus.algorithms import galaxy as module
module.check_probabilities = lambda values, name=None: values
g = torch.Generator().manual_seed(0)
p = torch.randn(100_000, 100, generator=g).softmax(1)
labels = torch.zeros(10, dtype=torch.long)
module.galaxy(p[10:50], p[:10], labels, 2, np.random.default_rng(0))
"""
    # 38 MiB of input copied, 0.8 MiB for each of five lines, and what a sort needs; all lines would take 76 MiB.
    code = "module.galaxy(p[10:], p[:10], labels, 5, np.random.default_rng(0))"
    assert peak_bytes(setup, code) < 90 * 2**20
