"""The greedy learner that is told all labels, beside one that is fitted anew for every row it could be taught."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.greedy_bound import greedy_bound


def slow(features, labels, bought, n, prices, width=1.0, noise=0.1):
    """Kernel ridge regression, solved once for every row and pick; every row is tried."""
    x, y = features.double().numpy(), labels.numpy()
    kernel = np.exp(-((x[:, None] - x[None]) ** 2).sum(axis=2) / (width * x.shape[1]))
    classes = y.max() + 1
    targets = np.eye(classes)[np.maximum(y, 0)] - 1 / classes

    def error(rows):
        rows = [row for row in rows if y[row] >= 0]
        solved = np.linalg.solve(kernel[np.ix_(rows, rows)] + noise * np.eye(len(rows)), targets[rows])
        squares = ((kernel[:, rows] @ solved - targets) ** 2).sum(axis=1)
        return sum(squares[y == one].mean() for one in range(classes) if (y == one).any())

    chosen, picks = bought.tolist(), []
    for _ in range(n):
        free = [row for row in range(len(x)) if row not in chosen]
        before = error(chosen)
        changes = [(error([*chosen, row]) - before) / prices[row] if y[row] >= 0 else math.inf for row in free]
        best = free[int(np.argmin(np.round(changes, 10)))]
        chosen.append(best)
        picks.append(best)
    return picks


def pool(seed, rows=40, classes=3):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, 4, generator=generator)
    labels = (features[:, :classes].argmax(dim=1) + (torch.rand(rows, generator=generator) < 0.1)) % classes
    return features, labels


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(4))
def test_picks_are_those_of_a_learner_that_is_fitted_anew(seed, dtype):
    features, labels = pool(seed)
    features = features.to(dtype)
    features[30:] = features[:10]  # duplicates, some with another label
    labels[20:23] = -1
    prices = torch.ones(40) if seed % 2 else 0.5 + torch.rand(40, generator=torch.Generator().manual_seed(seed))
    bought = torch.tensor([3, 17, 21])
    due = slow(features, labels, bought, 12, prices.numpy())
    for chunk_bytes in (1, 2**20):
        found = greedy_bound(
            features, labels, bought, 12, np.random.default_rng(0), prices=prices, chunk_bytes=chunk_bytes
        )
        assert found.dtype == torch.int64 and found.tolist() == due


def test_width_and_noise_are_those_of_the_kernel_and_the_ridge():
    features, labels = pool(9)
    bought, ones = torch.tensor([0, 1]), np.ones(40)
    for width, noise in ((0.2, 1.0), (5.0, 0.01)):
        found = greedy_bound(features, labels, bought, 8, np.random.default_rng(0), width=width, noise=noise)
        assert found.tolist() == slow(features, labels, bought, 8, ones, width, noise)


def test_only_rows_that_were_drawn_are_taken_and_rows_of_no_class_last():
    features, labels = pool(1)
    labels[:5] = -1
    bought = torch.arange(5, 10)
    once, again = (greedy_bound(features, labels, bought, 35, np.random.default_rng(4), trials=3) for _ in range(2))
    assert torch.equal(once, again)
    assert sorted(once.tolist()) == [*range(5), *range(10, 40)]
    assert set(greedy_bound(features, labels, bought, 35, np.random.default_rng(4))[-5:].tolist()) == set(range(5))
    drawn = np.random.default_rng(4).choice(np.delete(np.arange(40), np.arange(5, 10)), 3, replace=False)
    assert int(once[0]) in drawn


def test_it_helps_more_than_chance():
    features, labels = pool(2, rows=300, classes=2)
    bought = torch.arange(4)
    picks = greedy_bound(features, labels, bought, 20, np.random.default_rng(0))

    def right(rows):
        kernel = torch.exp(-torch.cdist(features, features[rows]).square() / 4).double()
        inside = kernel[rows] + 0.1 * torch.eye(len(rows), dtype=torch.float64)
        values = kernel @ torch.linalg.solve(inside, 2.0 * labels[rows].double() - 1)
        return float(((values > 0) == labels.bool()).double().mean())

    chance = [
        right(torch.cat([bought, 4 + torch.as_tensor(np.random.default_rng(s).permutation(296)[:20])]))
        for s in range(20)
    ]
    assert right(torch.cat([bought, picks])) > max(chance)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 38}, "38"),
        ({"trials": 0}, "trials, width and noise must be positive, got 0"),
        ({"width": -1.0}, "must be positive, got 256, -1.0"),
        ({"noise": math.nan}, "must be positive"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, "one for each of the 40 rows"),
        ({"prices": torch.zeros(40)}, "prices must be positive"),
        ({"bought": torch.tensor([1, 1, 2])}, "distinct rows"),
        ({"bought": torch.tensor([1, 40, 2])}, r"must lie in 0\.\.39, got 1\.\.40"),
        ({"features": torch.full((40, 4), math.nan)}, "features"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    features, labels = pool(0)
    usual = {"features": features, "labels": labels, "bought": torch.tensor([0, 1, 2]), "n": 2}
    with pytest.raises(ValueError, match=message):
        greedy_bound(rng=np.random.default_rng(0), **{**usual, **change})
