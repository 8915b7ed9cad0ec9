import numpy as np
import pytest

from labelbench_plus.algorithms.learners.shared_representation import (
    moments,
    rank_for_energy,
    shared_representation,
    spectral_start,
)


def tasks(seed=0, d=8, k=2, count=12, n=40, noise=0.3, descriptors=None):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, k)))[0]
    heads = rng.normal(size=(k, count)) if descriptors is None else rng.normal(size=(k, 3)) @ descriptors.T
    found = []
    for m in range(count):
        inputs = rng.normal(size=(n, d)) @ np.diag(np.linspace(0.5, 2, d))
        found.append((inputs, inputs @ basis @ heads[:, m] + noise * rng.normal(size=n)))
    return found, basis, heads


def loss(data, basis, heads) -> float:
    return sum(float(((inputs @ basis @ heads[:, m] - labels) ** 2).sum()) for m, (inputs, labels) in enumerate(data))


def test_reports_the_loss_it_reaches_and_no_perturbation_lowers_it():
    data, _, _ = tasks()
    found = shared_representation(moments(data), 2, tolerance=1e-13, most_steps=5000)
    assert np.isclose(found.loss, loss(data, found.basis, found.task_map))
    assert np.allclose(found.basis.T @ found.basis, np.eye(2))
    rng = np.random.default_rng(1)
    for _ in range(50):
        other = found.basis + 1e-3 * rng.normal(size=found.basis.shape)
        heads = found.task_map + 1e-3 * rng.normal(size=found.task_map.shape)
        assert loss(data, other, heads) > found.loss


def test_every_example_weighs_the_same():
    data, _, _ = tasks()
    doubled = [(np.concatenate([x, x]), np.concatenate([y, y])) for x, y in data]
    one, two = (shared_representation(moments(part), 2) for part in (data, doubled))
    assert np.isclose(two.loss, 2 * one.loss)
    assert np.allclose(one.basis @ one.task_map, two.basis @ two.task_map, atol=1e-6)


def test_without_noise_the_truth_comes_back():
    data, basis, heads = tasks(noise=0.0)
    found = shared_representation(moments(data), 2, tolerance=1e-14, most_steps=5000)
    assert np.allclose(found.basis @ found.task_map, basis @ heads, atol=1e-5)


def test_descriptors_tie_heads_together():
    descriptors = np.random.default_rng(2).normal(size=(12, 3))
    data, basis, heads = tasks(descriptors=descriptors, noise=1.0)
    tied = shared_representation(moments(data), 2, descriptors)
    assert tied.task_map.shape == (2, 3)
    free = shared_representation(moments(data), 2)
    truth = basis @ heads
    assert free.loss < tied.loss  # fewer restrictions
    error = [
        np.abs(part - truth).mean() for part in (tied.basis @ tied.task_map @ descriptors.T, free.basis @ free.task_map)
    ]
    assert error[0] < error[1]


def test_tasks_without_examples_get_no_head():
    data, _, _ = tasks()
    data[3] = (np.empty((0, 8)), np.empty(0))
    assert not shared_representation(moments(data), 2).task_map[:, 3].any()


def test_the_spectral_start_is_near_and_tells_the_rank():
    data, basis, _ = tasks(n=4000, count=30, k=3)
    directions = np.linalg.qr(spectral_start(moments(data))[1][:, :3])[0]
    assert np.linalg.svd(directions.T @ basis, compute_uv=False).min() > 0.99
    assert rank_for_energy(moments(data), 0.95) <= 3
    assert rank_for_energy(moments(data), 0.9999) >= 3


def test_what_does_not_fit_is_refused():
    data, _, _ = tasks()
    with pytest.raises(ValueError, match="rank 9 do not agree"):
        shared_representation(moments(data), 9)
    with pytest.raises(ValueError, match="a row for each of 12 tasks"):
        shared_representation(moments(data), 2, np.ones((3, 3)))
    with pytest.raises(ValueError, match="no example"):
        shared_representation(moments([(np.empty((0, 3)), np.empty(0))]), 1)
    with pytest.raises(ValueError, match="follows gradients"):
        shared_representation(moments([(np.ones((2, 700)), np.ones(2))]), 10)
