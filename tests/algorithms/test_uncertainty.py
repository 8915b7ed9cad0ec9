"""Uncertainty scores against loops in plain Python; top-n against a sort of (score, index) pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelbench_plus.algorithms.uncertainty import entropy, least_confidence, margin, top_scores

DTYPES = [torch.float16, torch.float32, torch.float64]


def rows(n: int, classes: int, dtype: torch.dtype, seed: int, sharpness: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, classes, generator=generator, dtype=torch.float64) * sharpness).softmax(1).to(dtype)


def slow_entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in row if p > 0)


def slow_margin(row: list[float]) -> float:
    first, second = sorted(row, reverse=True)[:2]
    return first - second


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [3, 4, 17])
def test_scores_are_the_textbook_formulas_in_double_precision(dtype: torch.dtype, classes: int) -> None:
    p = rows(60, classes, dtype, seed=classes)
    as_lists = p.double().tolist()
    assert entropy(p).tolist() == pytest.approx([slow_entropy(row) for row in as_lists], rel=1e-12, abs=1e-15)
    assert least_confidence(p).tolist() == [1 - max(row) for row in as_lists]
    assert margin(p).tolist() == [slow_margin(row) for row in as_lists]
    assert {score(p).dtype for score in (entropy, least_confidence, margin)} == {torch.float64}


def test_two_classes_agree_with_the_formulas() -> None:
    p = rows(200, 2, torch.float64, seed=0)
    as_lists = p.tolist()
    assert entropy(p).tolist() == pytest.approx([slow_entropy(row) for row in as_lists], rel=1e-9, abs=1e-15)
    assert least_confidence(p).tolist() == pytest.approx([1 - max(row) for row in as_lists], abs=1e-15)
    assert margin(p).tolist() == pytest.approx([slow_margin(row) for row in as_lists], abs=1e-15)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_hot_and_uniform_rows_score_exactly(classes: int, dtype: torch.dtype) -> None:
    one_hot = torch.eye(classes, dtype=dtype)
    assert entropy(one_hot).tolist() == [0.0] * classes
    assert least_confidence(one_hot).tolist() == [0.0] * classes
    assert margin(one_hot).tolist() == [1.0] * classes
    uniform = torch.full((1, classes), 1 / classes, dtype=dtype)
    assert margin(uniform).item() == 0
    assert entropy(uniform).item() == pytest.approx(math.log(classes), rel=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [1e-4, 0.5, 20.0])
def test_all_three_rank_alike_at_two_classes(dtype: torch.dtype, sharpness: float) -> None:
    # Rows near one half, where the entropy is flat, and saturated rows; many exact ties in half precision.
    p = rows(3000, 2, dtype, seed=1, sharpness=sharpness)
    p = torch.cat([p, p.flip(1), torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=dtype)])
    by_margin = top_scores(margin(p), p.shape[0], largest=False)
    assert torch.equal(by_margin, top_scores(least_confidence(p), p.shape[0]))
    if dtype != torch.float64:
        assert torch.equal(by_margin, top_scores(entropy(p), p.shape[0]))
    else:  # margins closer than the rounding of an entropy can tell may tie there
        assert (entropy(p)[by_margin].diff() <= 1e-15).all()


def test_entropy_tells_neighbouring_floats_next_to_one_half_apart() -> None:
    steps = torch.arange(4000, dtype=torch.float64) * 2.0**-24
    p = torch.stack([0.5 + steps, 0.5 - steps], dim=1).float()
    assert (entropy(p).diff() < 0).all()
    assert (entropy(p.flip(1)).diff() < 0).all()


def test_exact_ties_of_the_two_best_classes_have_no_margin() -> None:
    p = torch.tensor([[0.4, 0.2, 0.4], [0.3, 0.4, 0.3], [0.25, 0.25, 0.25], [0.5, 0.5, 0.0]])
    p[2] = 1 / 3
    assert margin(p).tolist() == [0.0, pytest.approx(0.1), 0.0, 0.0]


@pytest.mark.parametrize("score", [entropy, margin])
def test_chunks_and_threads_do_not_change_a_bit(score: Callable[..., Tensor]) -> None:
    p = rows(257, 7, torch.float32, seed=2)
    p = torch.cat([p, p])
    whole = score(p)
    assert torch.equal(whole[:257], whole[257:])
    for chunk_bytes in (1, 8 * 7 * 10, 8 * 7 * 100):
        assert torch.equal(score(p, chunk_bytes=chunk_bytes), whole)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(score(p), whole)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("score", [entropy, least_confidence, margin])
def test_what_is_not_a_probability_is_refused(score: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        score(torch.tensor([[0.5, 0.5], [math.nan, 0.5]]))
    with pytest.raises(ValueError, match="at least two columns"):
        score(torch.ones(3, 1))
    with pytest.raises(ValueError, match="sum to one"):
        score(torch.full((2, 3), 0.5))
    assert score(torch.empty(0, 3)).shape == (0,)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([-1.5, -0.0, 0.0, 1.0, 2.0, 7.25]), min_size=1, max_size=40),
    st.data(),
    st.sampled_from([torch.float16, torch.float32, torch.float64, torch.int64]),
    st.booleans(),
)
def test_top_scores_is_a_sort_by_score_then_index(
    values: list[float], data: st.DataObject, dtype: torch.dtype, largest: bool
) -> None:
    n = data.draw(st.integers(0, len(values)))
    scores = torch.tensor(values).to(dtype)
    sign = -1 if largest else 1
    expected = sorted(range(len(values)), key=lambda i: (sign * scores[i].item(), i))[:n]
    picked = top_scores(scores, n, largest=largest)
    assert picked.dtype == torch.long
    assert picked.tolist() == expected


def test_top_scores_of_many_ties_is_the_lowest_indices() -> None:
    scores = torch.zeros(100_000)
    scores[77_777] = 1
    assert top_scores(scores, 4).tolist() == [77_777, 0, 1, 2]
    assert top_scores(scores, 3, largest=False).tolist() == [0, 1, 2]


def test_top_scores_refuses_what_has_no_order() -> None:
    with pytest.raises(ValueError, match="finite"):
        top_scores(torch.tensor([1.0, math.nan]), 1)
    with pytest.raises(ValueError, match="cannot pick 3 of 2 scores"):
        top_scores(torch.zeros(2), 3)
    with pytest.raises(ValueError, match="vector"):
        top_scores(torch.zeros(2, 2), 1)


def test_memory_stays_far_below_a_double_precision_copy(peak_bytes: Callable[[str, str], int]) -> None:
    # Without the shared check of arguments, whose memory is its own matter.
    setup = """
from labelbench_plus.algorithms import uncertainty
from labelbench_plus.algorithms.uncertainty import entropy, margin
uncertainty.check_probabilities = lambda values: values
p = torch.full((200_000, 50), 0.02)
entropy(p[:100]), margin(p[:100])
"""
    assert peak_bytes(setup, "entropy(p)") < 50 * 2**20  # the copy alone would be 76 MiB
    assert peak_bytes(setup, "margin(p)") < 50 * 2**20


def test_the_input_is_left_alone() -> None:
    p = torch.tensor([[0.7, 0.3001, -0.0001], [0.2, 0.3, 0.5]], dtype=torch.float64)
    before = p.clone()
    for score in (entropy, least_confidence, margin):
        score(p)
    assert torch.equal(p, before)
