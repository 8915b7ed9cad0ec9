"""BADGE: the law of k-means++ on explicit gradients, without ever forming them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from labelbench_plus.algorithms import d2_sampling
from labelbench_plus.algorithms.badge import GradientPoints, badge
from labelbench_plus.algorithms.blocks.pairwise import squared_distance_bounds
from tests.algorithms.test_d2_sampling import check_law, law, squared


def gradients(probabilities: Tensor, embeddings: Tensor) -> np.ndarray:
    """(N, K d) explicit gradients of the cross-entropy at the predicted label."""
    p, h = probabilities.double().numpy(), embeddings.double().numpy()
    error = p.copy()
    error[np.arange(len(p)), p.argmax(axis=1)] -= 1
    return (error[:, :, None] * h[:, None, :]).reshape(len(p), -1)


def predictions(rows: int, classes: int, d: int, seed: int, sharpness: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(rows, classes, generator=generator)
    return logits.softmax(dim=1), torch.randn(rows, d, generator=generator)


@pytest.mark.parametrize("sharpness", [1.0, 30.0, 100.0])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e16])
def test_factorised_distances_are_those_of_the_gradients(sharpness: float, scale: float) -> None:
    p, h = predictions(40, 6, 5, 0, sharpness)
    points = GradientPoints.of(p, h * scale)
    g = gradients(p, h * scale)
    rows, columns = torch.cartesian_prod(torch.arange(40), torch.arange(40)).unbind(1)
    exact = points.exact(rows, points, columns).reshape(40, 40)
    norms = (g**2).sum(axis=1)
    assert np.allclose(points.squared_norms, norms, rtol=1e-12, atol=0)
    assert bool((np.abs(exact.numpy() - squared(g)) <= 1e-14 * (norms[:, None] + norms)).all())
    assert bool((exact.diag() == 0).all())
    lower, upper = squared_distance_bounds(points, points)
    assert bool((lower <= exact).all())
    assert bool((exact <= upper).all())


@pytest.mark.parametrize(("classes", "proposals"), [(2, 256), (3, 2), (3, 256)])
def test_law(classes: int, proposals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d2_sampling, "PROPOSALS", proposals)
    p, h = predictions(6, classes, 2, 1)
    g = gradients(p, h)
    first = np.zeros(6)
    first[(g**2).sum(axis=1).argmax()] = 1
    expected = law(first, np.full(6, np.inf), squared(g), np.ones(6), 3)
    check_law(lambda rng: badge(p, h, 3, rng), expected, 400)


def test_potential_is_that_of_the_textbook() -> None:
    p, h = predictions(400, 5, 6, 2)
    g = gradients(p, h)
    rng = np.random.default_rng(0)
    potentials: tuple[list[float], list[float]] = ([], [])
    for _ in range(8):
        distance = ((g - g[(g**2).sum(axis=1).argmax()]) ** 2).sum(axis=1)
        for _ in range(49):
            pick = rng.choice(400, p=distance / distance.sum())
            distance = np.minimum(distance, ((g - g[pick]) ** 2).sum(axis=1))
        potentials[0].append(distance.sum())
        picks = badge(p, h, 50, rng).numpy()
        potentials[1].append(((g[:, None] - g[picks][None]) ** 2).sum(axis=2).min(axis=1).sum())
    error = np.hypot(np.std(potentials[0]), np.std(potentials[1])) / np.sqrt(8)
    assert abs(np.mean(potentials[0]) - np.mean(potentials[1])) < 4 * error


def test_first_pick_is_the_largest_gradient_the_lowest_index_of_equals() -> None:
    p, h = predictions(50, 4, 3, 3)
    largest = int((gradients(p, h) ** 2).sum(axis=1).argmax())
    p, h = torch.cat([p, p]), torch.cat([h, h])
    assert badge(p, h, 1, np.random.default_rng(0)).tolist() == [largest]
    shuffled = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    first = int(badge(p[shuffled], h[shuffled], 1, np.random.default_rng(0)))
    assert first == int(((shuffled % 50) == largest).nonzero()[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_chunks_and_threads_do_not_change_the_picks(dtype: torch.dtype) -> None:
    p, h = (values.to(dtype) for values in predictions(700, 10, 16, 4))
    expected = badge(p, h, 60, np.random.default_rng(5))
    assert len(set(expected.tolist())) == 60
    before = torch.get_num_threads()
    for chunk_bytes, threads in [(1000, 1), (2**24, 2)]:
        torch.set_num_threads(threads)
        again = badge(p, h, 60, np.random.default_rng(5), chunk_bytes=chunk_bytes)
        torch.set_num_threads(before)
        assert torch.equal(expected, again)


def test_two_classes_with_tied_predictions() -> None:
    p, h = torch.full((30, 2), 0.5), predictions(30, 2, 4, 6)[1]
    picks = badge(p, h, 30, np.random.default_rng(0)).tolist()
    assert sorted(picks) == list(range(30))
    assert picks[0] == int(h.double().square().sum(dim=1).argmax())


def test_certain_predictions_have_no_gradient_and_are_drawn_uniformly_last() -> None:
    p, h = predictions(5, 3, 2, 7)
    p[2:] = torch.eye(3)
    first = int((gradients(p, h) ** 2).sum(axis=1).argmax())
    rng = np.random.default_rng(8)
    for _ in range(20):
        picks = badge(p, h, 5, rng).tolist()
        assert picks[0] == first
        assert sorted(picks) == list(range(5))
        # One zero gradient is as far from the picks as another; after it the last uncertain row is all that is left.
        assert 1 - first in picks[1:3]
    check_law(
        lambda rng: badge(torch.eye(3), h[:3], 2, rng), {(0, 1): 0.5, (0, 2): 0.5}, 200
    )  # no gradient at all: first by index


def test_edges_and_refusals() -> None:
    p, h = predictions(6, 3, 2, 9)
    rng = np.random.default_rng(0)
    assert badge(p, h, 0, rng).tolist() == []
    assert badge(p[:0], h[:0], 0, rng).tolist() == []
    assert badge(p[:1], h[:1], 1, rng).tolist() == [0]
    assert sorted(badge(p, torch.ones(6, 2), 6, rng).tolist()) == list(range(6))
    with pytest.raises(ValueError, match="cannot pick 7 of 6"):
        badge(p, h, 7, rng)
    with pytest.raises(ValueError, match="same rows, got 5 and 6"):
        badge(p, h[:5], 2, rng)
    with pytest.raises(ValueError, match="sum to one"):
        badge(p * 0.5, h, 2, rng)
    with pytest.raises(ValueError, match="embeddings must be finite, but row 1"):
        badge(p, torch.tensor([[0.0, 0], [0, torch.nan], [0, 0], [0, 0], [0, 0], [0, 0]]), 2, rng)


def test_memory_beside_the_inputs(peak_bytes: Callable[[str, str], int]) -> None:
    setup = """
import numpy as np
from labelbench_plus.algorithms.badge import badge
generator = torch.Generator().manual_seed(0)
p = (3 * torch.randn(25_000, 100, generator=generator)).softmax(dim=1)
h = torch.randn(25_000, 300, generator=generator)
badge(p[:500], h[:500], 20, np.random.default_rng(0))
"""
    peak = peak_bytes(setup, "badge(p, h, 100, np.random.default_rng(0))")
    assert peak < 1.5 * 25_000 * 400 * 4
