"""The law of the three samplers against probabilities worked out by hand, and what they do at the edges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from labelbench_plus.algorithms.stochastic_batch import (
    power_acquisition,
    softmax_acquisition,
    softrank_acquisition,
)

SAMPLERS = [power_acquisition, softmax_acquisition, softrank_acquisition]
SCORES = torch.tensor([0.5, 2.0, 1.0, 3.0])

# Weights of SCORES at beta = 1.5, from the definitions; ranks of SCORES are 4, 2, 3, 1.
WEIGHTS: dict[Callable[..., Tensor], list[float]] = {
    power_acquisition: [s**1.5 for s in SCORES.tolist()],
    softmax_acquisition: [math.exp(1.5 * s) for s in SCORES.tolist()],
    softrank_acquisition: [r**-1.5 for r in (4, 2, 3, 1)],
}


def sequence_probability(weights: list[float], picks: tuple[int, ...]) -> float:
    left, probability = sum(weights), 1.0
    for row in picks:
        probability *= weights[row] / left
        left -= weights[row]
    return probability


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_ordered_draws_follow_the_sequential_law(sampler: Callable[..., Tensor]) -> None:
    rng = np.random.default_rng(5)
    draws = 3000
    sequences = list(itertools.permutations(range(4), 2))
    counts = dict.fromkeys(sequences, 0)
    for _ in range(draws):
        counts[tuple(sampler(SCORES, 2, rng, beta=1.5).tolist())] += 1
    expected = [draws * sequence_probability(WEIGHTS[sampler], sequence) for sequence in sequences]
    assert stats.chisquare(list(counts.values()), expected).pvalue > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_beta_zero_is_uniform_and_large_beta_is_the_top(sampler: Callable[..., Tensor]) -> None:
    rng = np.random.default_rng(1)
    first = [int(sampler(SCORES, 1, rng, beta=0.0)) for _ in range(2000)]
    assert stats.chisquare(np.bincount(first, minlength=4)).pvalue > 1e-3
    assert sampler(SCORES, 4, rng, beta=1e6).tolist() == [3, 1, 2, 0]


def test_zero_scores_are_drawn_last_and_uniformly_by_power() -> None:
    rng = np.random.default_rng(2)
    scores = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0])
    batches = [power_acquisition(scores, 3, rng).tolist() for _ in range(1500)]
    assert {frozenset(batch[:2]) for batch in batches} == {frozenset({1, 3})}
    thirds = [batch[2] for batch in batches]
    assert stats.chisquare([thirds.count(row) for row in (0, 2, 4)]).pvalue > 1e-3
    # 0 ** 0 = 1: without a temperature even these are like all others.
    assert {int(power_acquisition(scores, 1, rng, beta=0.0)) for _ in range(100)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scores", [torch.zeros(6), torch.full((6,), 3.0), torch.arange(6.0)])
def test_batches_are_exact_distinct_and_repeatable(sampler: Callable[..., Tensor], scores: Tensor) -> None:
    for n in (0, 1, 6):
        picks = sampler(scores, n, np.random.default_rng(3))
        assert picks.dtype == torch.long
        assert len(set(picks.tolist())) == n
        assert torch.equal(picks, sampler(scores, n, np.random.default_rng(3)))
        assert torch.equal(picks, sampler(scores.double(), n, np.random.default_rng(3)))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_smaller_batch_is_the_start_of_a_larger_one(sampler: Callable[..., Tensor]) -> None:
    scores = torch.rand(50, generator=torch.Generator().manual_seed(0))
    whole = sampler(scores, 50, np.random.default_rng(4))
    assert torch.equal(sampler(scores, 7, np.random.default_rng(4)), whole[:7])


def test_softrank_sees_only_the_order() -> None:
    scores = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    first = softrank_acquisition(scores, 10, np.random.default_rng(0))
    assert torch.equal(first, softrank_acquisition(scores**3 * 100 - 7, 10, np.random.default_rng(0)))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_cannot_be_sampled_is_refused(sampler: Callable[..., Tensor]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="finite"):
        sampler(torch.tensor([1.0, math.nan]), 1, rng)
    with pytest.raises(ValueError, match="cannot pick 5 of 4"):
        sampler(SCORES, 5, rng)
    with pytest.raises(ValueError, match="beta must be finite"):
        sampler(SCORES, 1, rng, beta=-1.0)
    with pytest.raises(ValueError, match="floating-point vector"):
        sampler(torch.ones(2, 2), 1, rng)


def test_power_refuses_a_negative_score() -> None:
    with pytest.raises(ValueError, match=r"row 1 is -0\.5"):
        power_acquisition(torch.tensor([1.0, -0.5]), 1, np.random.default_rng(0))
