import numpy as np
import pytest

from labelbench_plus.algorithms.relevance import (
    l1_relevance,
    lasso_relevance,
    lasso_to_discrepancy,
    min_norm_relevance,
)


def rare() -> tuple[np.ndarray, np.ndarray]:
    """Fifty heads of which one is the target, ten are half of it and the rest tell nothing about it."""
    heads = np.zeros((5, 50))
    heads[4, 0], heads[4, 1:11] = 1.0, 0.5
    heads[:4, 11:] = np.random.default_rng(0).normal(size=(4, 39))
    heads[:4, 11:] /= np.linalg.norm(heads[:4, 11:], axis=0)
    return heads, np.eye(5)[4]


def test_the_rare_heads_have_the_known_relevances():
    heads, target = rare()
    long, short = min_norm_relevance(heads, target), l1_relevance(heads, target)
    assert np.abs(short - np.eye(50)[0]).max() < 1e-9
    assert np.abs(long * 7 - np.array([2.0] + [1.0] * 10 + [0.0] * 39)).max() < 1e-9
    square = float(long @ long)
    found = [50 * square, np.count_nonzero(np.abs(long) > 1e-12) * square, np.abs(long).sum() ** 2, 1.0]
    assert np.round(found, 3).tolist() == [14.286, 3.143, 2.939, 1.0]


def test_both_express_the_target_and_obey_the_chain_of_norms():
    for seed in range(200):
        check_chain(np.random.default_rng(seed))


def check_chain(rng: np.random.Generator) -> None:
    k = int(rng.integers(1, 9))
    count = int(rng.integers(k, 60))
    heads, target = rng.normal(size=(k, count)), rng.normal(size=k)
    long, short = min_norm_relevance(heads, target), l1_relevance(heads, target)
    for relevance in (long, short):
        assert np.abs(heads @ relevance - target).max() < 1e-8
    assert np.count_nonzero(short) <= k
    chain = [
        np.abs(short).sum() ** 2,
        np.abs(long).sum() ** 2,
        np.count_nonzero(long) * (long @ long),
        count * (long @ long),
    ]
    assert (np.diff(chain) >= -1e-9 * chain[-1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_gauge_does_not_matter_to_either(seed):
    rng = np.random.default_rng(seed)
    heads, target, gauge = rng.normal(size=(4, 20)), rng.normal(size=4), rng.normal(size=(4, 4))
    for relevance in (min_norm_relevance, l1_relevance):
        assert np.abs(relevance(gauge @ heads, gauge @ target) - relevance(heads, target)).max() < 1e-7


def test_weights_make_a_source_dear():
    heads, target = np.array([[1.0, 1.1], [0.0, 0.0]]), np.array([1.0, 0.0])
    assert np.flatnonzero(l1_relevance(heads, target)).tolist() == [1]
    assert np.flatnonzero(l1_relevance(heads, target, np.array([1.0, 2.0]))).tolist() == [0]


def test_a_target_outside_the_span_is_projected():
    heads, target = np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]), np.array([1.0, 5.0, 0.0])
    assert np.allclose(l1_relevance(heads, target), [0.0, 0.5])
    assert not l1_relevance(heads, np.array([0.0, 1.0, 0.0])).any()
    assert not l1_relevance(np.zeros((3, 4)), target).any()


def test_the_lasso_on_the_identity_is_soft_thresholding():
    target = np.array([3.0, -2.0, 0.5, 0.0])
    found = lasso_relevance(np.eye(4), target, 1.0)
    assert np.abs(found - np.array([2.0, -1.0, 0.0, 0.0])).max() < 1e-8


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_the_lasso_meets_its_optimality_conditions(seed, share):
    rng = np.random.default_rng(seed)
    heads, target = rng.normal(size=(5, 30)), rng.normal(size=5)
    penalty = share * np.abs(heads.T @ target).max()
    found = lasso_relevance(heads, target, penalty)
    slope = heads.T @ (target - heads @ found)
    assert np.abs(slope).max() <= penalty * (1 + 1e-5)
    support = found != 0
    assert support.any()
    assert np.abs(slope[support] - penalty * np.sign(found[support])).max() <= 1e-5 * penalty


def test_a_large_penalty_leaves_nothing():
    heads, target = rare()
    largest = np.abs(heads.T @ target).max()
    assert not lasso_relevance(heads, target, largest).any()
    assert lasso_relevance(heads, target, largest * 0.999).any()


def test_the_discrepancy_rule_stops_at_the_first_that_is_near_enough():
    rng = np.random.default_rng(3)
    heads, target = rng.normal(size=(5, 30)), rng.normal(size=5)
    residual = 0.3 * np.linalg.norm(target)
    found = lasso_to_discrepancy(heads, target, residual)
    assert np.linalg.norm(heads @ found - target) <= residual
    largest = np.abs(heads.T @ target).max()
    grid = largest * np.geomspace(1, 1e-4, 40)
    slope = np.abs(heads.T @ (target - heads @ found)).max()
    step = int(np.argmin(np.abs(grid - slope)))
    assert np.isclose(slope, grid[step], rtol=1e-4)
    before = lasso_relevance(heads, target, grid[step - 1])
    assert np.linalg.norm(heads @ before - target) > residual
    assert not lasso_to_discrepancy(heads, np.zeros(5), 0.1).any()
    assert lasso_to_discrepancy(heads, target, 0.0).any()  # none is that near: the smallest penalty


@pytest.mark.parametrize("relevance", [min_norm_relevance, l1_relevance])
def test_bad_heads_are_refused(relevance):
    with pytest.raises(ValueError, match=r"\(k, M\) and the target \(k,\)"):
        relevance(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ValueError, match="finite"):
        relevance(np.array([[np.nan]]), np.ones(1))
    with pytest.raises(ValueError, match="positive numbers"):
        l1_relevance(np.ones((1, 2)), np.ones(1), np.zeros(2))
