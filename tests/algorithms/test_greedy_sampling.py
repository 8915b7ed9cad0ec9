"""Greedy sampling: the picks of loops over all distances, whatever the ties, the duplicates and the chunks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.greedy_sampling import gsx, gsy, igs
from labelbench_plus.algorithms.k_center import k_center_greedy
from labelbench_plus.algorithms.learners.ridge import ridge_regression
from tests.algorithms.known_regression import FREE, KNOWN, LABELLED, X, Y

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def slow(
    x: Tensor, f: Tensor, n: int, labelled: Tensor | None, y: Tensor | None, inputs: bool, outputs: bool
) -> list[int]:
    """The definition: the largest minimum over products of the distances that count."""
    x, f = x.double(), f.double()
    known_x = x[:0] if labelled is None else labelled.double()
    known_y = f[:0] if y is None else y.double()
    picks: list[int] = []
    for _ in range(n):
        if len(known_x) == 0:
            space = x if inputs else f[:, None]
            pick = int((space - space.mean(dim=0)).square().sum(dim=1).argmin())
        else:
            product = torch.ones(len(x), len(known_x), dtype=torch.float64)
            if inputs:
                product *= (x[:, None] - known_x).square().sum(dim=2)
            if outputs:
                product *= (f[:, None] - known_y).square()
            nearest = product.amin(dim=1)
            nearest[picks] = -1
            pick = int(nearest.argmax())
        picks.append(pick)
        known_x, known_y = torch.cat([known_x, x[[pick]]]), torch.cat([known_y, f[[pick]]])
    return picks


def cloud(rows: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, d, generator=generator), torch.randn(rows, generator=generator)


def test_known_answers() -> None:
    fit = ridge_regression(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"])
    f = fit.predictions(X)
    assert FREE[gsx(X[FREE], 5, labelled=X[LABELLED])].tolist() == KNOWN["gsx"]
    assert FREE[gsy(f[FREE], 5, labels=Y[LABELLED])].tolist() == KNOWN["gsy"]
    picks = igs(X[FREE], f[FREE], 5, labelled=X[LABELLED], labels=Y[LABELLED])
    assert FREE[picks].tolist() == KNOWN["igs"]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 5), st.sampled_from(DTYPES), st.integers(0, 10**6))
def test_small_integers_full_of_ties_and_duplicates(rows: int, d: int, m: int, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, (rows, d), generator=generator).to(dtype)
    f = torch.randint(-2, 3, (rows,), generator=generator).to(dtype)
    x, f = torch.cat([x, -x]), torch.cat([f, -f])  # the means are exact
    labelled = torch.randint(-2, 3, (m, d), generator=generator).to(dtype)
    y = torch.randint(-2, 3, (m,), generator=generator).to(dtype)
    n = int(torch.randint(len(x) + 1, (1,), generator=generator))
    assert gsx(x, n, labelled=labelled).tolist() == slow(x, f, n, labelled, y, True, False)
    assert gsy(f, n, labels=y).tolist() == slow(x, f, n, labelled, y, False, True)
    assert igs(x, f, n, labelled=labelled, labels=y).tolist() == slow(x, f, n, labelled, y, True, True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [0, 30])
@pytest.mark.parametrize("d", [1, 24])
def test_picks_of_the_definition(dtype: torch.dtype, m: int, d: int) -> None:
    x, f = cloud(300, d, 1)
    labelled, y = cloud(m, d, 2)
    x, f, labelled, y = x.to(dtype), f.to(dtype), labelled.to(dtype), y.to(dtype)
    for chunk_bytes in (2**24, 5000):
        got = igs(x, f, 60, labelled=labelled, labels=y, chunk_bytes=chunk_bytes)
        assert got.dtype == torch.int64
        assert got.tolist() == slow(x, f, 60, labelled, y, True, True)
        got = gsx(x, 60, labelled=labelled, chunk_bytes=chunk_bytes)
        assert got.tolist() == slow(x, f, 60, labelled, y, True, False)
        got = gsy(f, 60, labels=y, chunk_bytes=chunk_bytes)
        assert got.tolist() == slow(x, f, 60, labelled, y, False, True)


def test_the_minimum_is_over_products() -> None:
    # The second row is far from the first label in inputs and from the second in outputs, each time near in the other.
    x, f = torch.tensor([[0.0], [5.0], [2.0]]), torch.tensor([9.0, 9.0, 5.0])
    labelled, y = torch.tensor([[0.0], [10.0]]), torch.tensor([10.0, 0.0])
    assert slow(x, f, 3, labelled, y, True, True)[0] == 2
    assert igs(x, f, 3, labelled=labelled, labels=y).tolist() == slow(x, f, 3, labelled, y, True, True)


def test_gsx_is_k_center_but_for_the_first_point() -> None:
    x, _ = cloud(100, 5, 3)
    assert gsx(x, 20, labelled=x[:7]).tolist() == k_center_greedy(x, 20, centers=x[:7]).tolist()
    picks = gsx(x, 20).tolist()
    assert picks[0] == int((x - x.mean(dim=0)).norm(dim=1).argmin())
    assert picks[1:] == k_center_greedy(x, 19, centers=x[picks[:1]]).tolist()


def test_equal_predictions_fall_back_to_the_order_of_the_rows() -> None:
    x, _ = cloud(200, 4, 4)
    picks = igs(x, torch.ones(200), 200, labelled=x[:50] + 1, labels=torch.ones(50))
    assert picks.tolist() == list(range(200))


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1.0, 5.0), (2.0**-40, 0.0)])
def test_the_unit_and_the_origin_of_labels_do_not_matter(scale: float, shift: float) -> None:
    x, f = cloud(200, 4, 5)
    labelled, y = cloud(20, 4, 6)
    f, y = f.double(), y.double()
    moved = {"labelled": labelled, "labels": y * scale + shift}
    assert gsy(f * scale + shift, 50, labels=moved["labels"]).tolist() == gsy(f, 50, labels=y).tolist()
    expected = igs(x, f, 50, labelled=labelled, labels=y).tolist()
    assert igs(x, f * scale + shift, 50, **moved).tolist() == expected


def test_thread_count_does_not_change_the_picks() -> None:
    x, f = cloud(500, 40, 7)
    labelled, y = cloud(30, 40, 8)
    before = torch.get_num_threads()
    try:
        picks = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            picks.append(igs(x, f, 30, labelled=labelled, labels=y).tolist())
    finally:
        torch.set_num_threads(before)
    assert picks[0] == picks[1]


def test_edges() -> None:
    x, f = cloud(10, 3, 9)
    for pick in (lambda n: gsx(x, n), lambda n: gsy(f, n), lambda n: igs(x, f, n)):
        assert pick(0).tolist() == []
        assert sorted(pick(10).tolist()) == list(range(10))
    assert igs(x[:0], f[:0], 0).tolist() == []
    assert gsx(x[:1], 1).tolist() == gsy(f[:1], 1).tolist() == igs(x[:1], f[:1], 1).tolist() == [0]
    large = igs(x.double() * 1e12, f.double() * 1e12, 5, labelled=x[:2], labels=f[:2])
    assert len(set(large.tolist())) == 5


def test_refusals() -> None:
    x, f = cloud(5, 3, 10)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        gsx(x, 6)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        igs(x, f, 6)
    with pytest.raises(ValueError, match="together or not at all"):
        igs(x, f, 1, labelled=x)
    with pytest.raises(ValueError, match="predictions must be 5 numbers, one per row of features, got 4"):
        igs(x, f[:4], 1)
    with pytest.raises(ValueError, match="3 columns of features, got 2"):
        igs(x, f, 1, labelled=x[:, :2], labels=f)
    with pytest.raises(ValueError, match=r"predictions must be a vector of floating point, got torch.int64"):
        gsy(f.long(), 1)
    f[3] = torch.inf
    with pytest.raises(ValueError, match="predictions must be finite, but row 3"):
        igs(x, f, 1)
