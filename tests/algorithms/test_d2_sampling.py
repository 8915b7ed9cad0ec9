"""D² sampling: the law of k-means++ seeding, from whatever stale distances it is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from labelbench_plus.algorithms import d2_sampling
from labelbench_plus.algorithms.d2_sampling import k_means_pp


def squared(x: np.ndarray) -> np.ndarray:
    return ((x[:, None] - x[None]) ** 2).sum(axis=2)


def law(first: np.ndarray, start: np.ndarray, distances: np.ndarray, weights: np.ndarray, n: int) -> dict:
    """Probability of every sequence of n picks, by enumeration.

    first: (N,) probabilities of the first pick. start: (N,) squared distances to the given centres.
    """
    sequences = {(i,): p for i, p in enumerate(first) if p > 0}
    for _ in range(n - 1):
        longer = {}
        for picks, probability in sequences.items():
            mass = weights * np.minimum(start, distances[list(picks)].min(axis=0))
            mass[list(picks)] = 0
            for i in np.flatnonzero(mass):
                longer[(*picks, int(i))] = probability * mass[i] / mass.sum()
        sequences = longer
    return sequences


def check_law(draw: Callable[[np.random.Generator], Tensor], expected: dict, draws: int) -> None:
    rng = np.random.default_rng(1234)
    counts = Counter(tuple(draw(rng).tolist()) for _ in range(draws))
    assert set(counts) <= set(expected)
    # Sequences too rare for the chi-square approximation are counted together.
    rare = [s for s in expected if expected[s] * draws < 5]
    observed = [counts[s] for s in expected if s not in set(rare)] + [sum(counts[s] for s in rare)]
    probability = [expected[s] for s in expected if s not in set(rare)] + [sum(expected[s] for s in rare)]
    keep = np.array(probability) * draws > 0
    assert chisquare(np.array(observed)[keep], np.array(probability)[keep] * draws).pvalue > 1e-3


TINY = np.array([[0.0, 0.0], [0.1, 0.0], [1.0, 0.2], [1.1, 0.0], [0.3, 2.0], [0.3, 2.0]])


# Two proposals at a time make the bounds pass through many rounds, 256 decide a draw in one.
@pytest.mark.parametrize("proposals", [2, 256])
def test_law_without_centres(proposals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d2_sampling, "PROPOSALS", proposals)
    x = torch.from_numpy(TINY).float()
    distances = squared(x.double().numpy())
    expected = law(np.full(6, 1 / 6), np.full(6, np.inf), distances, np.ones(6), 3)
    check_law(lambda rng: k_means_pp(x, 3, rng), expected, 400)


@pytest.mark.parametrize("proposals", [2, 256])
def test_law_with_centres_and_weights(proposals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d2_sampling, "PROPOSALS", proposals)
    weights = np.array([0.5, 3.0, 1.0, 0.0, 1.0, 2.0])
    centers = np.array([[0.5, 0.5], [1.0, 0.0]])
    start = ((TINY[:, None] - centers[None]) ** 2).sum(axis=2).min(axis=1)
    first = weights * start / (weights * start).sum()
    expected = law(first, start, squared(TINY), weights, 2)
    x, c, w = (torch.from_numpy(values) for values in (TINY, centers, weights))
    check_law(lambda rng: k_means_pp(x, 2, rng, centers=c, weights=w), expected, 400)


def test_first_pick_without_centres_follows_the_weights() -> None:
    weights = np.array([1.0, 0.0, 2.0, 3.0, 0.0, 4.0])
    x, w = torch.from_numpy(TINY), torch.from_numpy(weights)
    check_law(lambda rng: k_means_pp(x, 1, rng, weights=w), {(i,): p for i, p in enumerate(weights / 10) if p}, 500)


def textbook_potential(x: np.ndarray, n: int, rng: np.random.Generator) -> float:
    distance = ((x - x[rng.integers(len(x))]) ** 2).sum(axis=1)
    for _ in range(n - 1):
        pick = rng.choice(len(x), p=distance / distance.sum())
        distance = np.minimum(distance, ((x - x[pick]) ** 2).sum(axis=1))
    return float(distance.sum())


def blobs(rows: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((25, d))
    return means[rng.integers(25, size=rows)] + 0.3 * rng.standard_normal((rows, d))


def test_potential_is_that_of_the_textbook_over_many_rounds() -> None:
    x = blobs(800, 12, 0)
    pool = torch.from_numpy(x)
    rng = np.random.default_rng(0)
    theirs = [textbook_potential(x, 80, rng) for _ in range(8)]
    ours = []
    for _ in range(8):
        picks = k_means_pp(pool, 80, rng)
        assert len(set(picks.tolist())) == 80
        ours.append(float(((pool[:, None] - pool[picks][None]) ** 2).sum(dim=2).amin(dim=1).sum()))
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(8)
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * error


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_chunks_and_threads_do_not_change_the_picks(dtype: torch.dtype) -> None:
    x = torch.from_numpy(blobs(800, 20, 1)).to(dtype)
    expected = k_means_pp(x, 60, np.random.default_rng(5), centers=x[:9])
    assert expected.tolist() != k_means_pp(x, 60, np.random.default_rng(6), centers=x[:9]).tolist()
    before = torch.get_num_threads()
    for chunk_bytes, threads in [(1000, 1), (2**15, 2), (2**24, 2)]:
        torch.set_num_threads(threads)
        again = k_means_pp(x, 60, np.random.default_rng(5), centers=x[:9], chunk_bytes=chunk_bytes)
        torch.set_num_threads(before)
        assert torch.equal(expected, again)


def test_near_duplicates_below_single_precision_keep_their_law() -> None:
    # The second and third row are 1e-5 and 2e-5 from the first: 1 to 4 in squared distance, 1e-10 of the norms.
    x = torch.tensor([[1.0, 0.0], [1.0, 1e-5], [1.0, 2e-5]], dtype=torch.float32)
    given = x[:1]
    mass = (x.double() - given.double()).square().sum(dim=1).numpy()
    expected = {(i,): p for i, p in enumerate(mass / mass.sum()) if p}
    check_law(lambda rng: k_means_pp(x, 1, rng, centers=given), expected, 300)


def test_distinct_points_come_before_duplicates_then_the_rest_uniformly() -> None:
    x = torch.tensor([[0.0], [0.0], [5.0], [5.0], [9.0], [0.0]])
    rng = np.random.default_rng(8)
    last: Counter = Counter()
    for _ in range(150):
        picks = k_means_pp(x, 4, rng).tolist()
        assert {float(x[i]) for i in picks[:3]} == {0.0, 5.0, 9.0}
        assert len(set(picks)) == 4
        last[float(x[picks[3]])] += 1
    # Two zeros and one five are left whatever was picked.
    assert chisquare([last[0.0], last[5.0]], [100, 50]).pvalue > 1e-3


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("labelled", [0, 2])
def test_constant_features_are_drawn_uniformly(value: float, labelled: int) -> None:
    x = torch.full((5, 3), value)
    centers = x[:labelled]
    check_law(
        lambda rng: k_means_pp(x, 2, rng, centers=centers),
        {(i, j): 1 / 20 for i in range(5) for j in range(5) if i != j},
        300,
    )
    assert sorted(k_means_pp(x, 5, np.random.default_rng(0), centers=centers).tolist()) == list(range(5))


def test_edges() -> None:
    x = torch.from_numpy(blobs(30, 3, 3))
    rng = np.random.default_rng(9)
    assert k_means_pp(x, 0, rng).tolist() == []
    assert k_means_pp(x[:0], 0, rng).tolist() == []
    assert k_means_pp(x[:1], 1, rng).tolist() == [0]
    picks = k_means_pp(x, 30, rng)
    assert picks.dtype == torch.int64
    assert sorted(picks.tolist()) == list(range(30))
    assert sorted(k_means_pp(x, 30, rng, weights=torch.zeros(30)).tolist()) == list(range(30))


def test_refusals() -> None:
    x = torch.from_numpy(blobs(5, 3, 4))
    rng = np.random.default_rng(10)
    with pytest.raises(ValueError, match="cannot pick 6 of 5"):
        k_means_pp(x, 6, rng)
    with pytest.raises(ValueError, match=r"weights must have shape \(5,\)"):
        k_means_pp(x, 2, rng, weights=torch.ones(4))
    with pytest.raises(ValueError, match="weights must not be negative, but row 2"):
        k_means_pp(x, 2, rng, weights=torch.tensor([1.0, 1, -1, 1, 1]))
    x[4, 0] = torch.inf
    with pytest.raises(ValueError, match="features must be finite, but row 4"):
        k_means_pp(x, 2, rng)
