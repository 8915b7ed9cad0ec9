import numpy as np
import pytest

from labelbench_plus.algorithms.head_design import c_optimal, e_optimal, e_optimal_ball, v_optimal
from labelbench_plus.algorithms.relevance import l1_relevance


def least_eigenvalue(heads, weights) -> float:
    return float(np.linalg.eigvalsh((heads * weights) @ heads.T)[0])


@pytest.mark.parametrize(("seed", "k", "count"), [(0, 4, 40), (1, 3, 12), (2, 5, 60), (3, 2, 2), (4, 1, 7)])
def test_the_e_optimal_design_comes_with_its_proof(seed, k, count):
    heads = np.random.default_rng(seed).normal(size=(k, count))
    found = e_optimal(heads)
    assert np.isclose(found.weights.sum(), 1)
    assert (found.weights >= 0).all()
    assert np.isclose(least_eigenvalue(heads, found.weights), found.value)
    assert np.isclose(np.trace(found.certificate), 1)
    assert np.linalg.eigvalsh(found.certificate)[0] >= -1e-12
    proof = np.einsum("ks,kl,ls->s", heads, found.certificate, heads)
    assert proof.max() <= found.value * (1 + 1e-5)
    assert np.isclose(found.bound, proof.max())
    support = found.weights > 1e-3
    assert proof[support].min() >= found.value * (1 - 1e-2)
    assert np.isclose((found.weights * proof).sum(), found.value, rtol=1e-5)  # complementary slackness, as a whole
    if count > k:
        assert found.value > least_eigenvalue(heads, np.full(count, 1 / count))


def test_equal_orthonormal_heads_get_equal_weights():
    found = e_optimal(np.eye(3))
    assert np.allclose(found.weights, 1 / 3, atol=1e-6)
    assert np.isclose(found.value, 1 / 3)


def test_heads_that_do_not_span_have_value_zero():
    assert e_optimal(np.array([[1.0, 2.0], [0.0, 0.0]])).value == pytest.approx(0, abs=1e-12)
    assert e_optimal(np.zeros((2, 3))).weights.tolist() == [1 / 3] * 3


@pytest.mark.parametrize("seed", range(5))
def test_the_ball_has_a_closed_form(seed):
    rng = np.random.default_rng(seed)
    task_map = rng.normal(size=(4, 23))
    directions, weights = e_optimal_ball(task_map)
    singular = np.linalg.svd(task_map, compute_uv=False)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.allclose(weights * singular**2, 1 / (singular**-2).sum())
    best = least_eigenvalue(task_map @ directions.T, weights)
    assert abs(best - 1 / (singular**-2).sum()) <= 1e-10
    assert least_eigenvalue(task_map @ directions.T, np.full(4, 0.25)) < best
    tasks = rng.normal(size=(23, 100))
    tasks /= np.linalg.norm(tasks, axis=0)
    assert e_optimal(task_map @ tasks).value < best  # no mixture of other unit vectors is better


def test_a_map_of_low_rank_is_refused():
    with pytest.raises(ValueError, match="rank k = 2"):
        e_optimal_ball(np.ones((2, 5)))


@pytest.mark.parametrize("seed", range(5))
def test_the_c_optimal_value_is_elfving_s(seed):
    rng = np.random.default_rng(seed)
    heads, target = rng.normal(size=(4, 30)), rng.normal(size=4)
    weights, value = c_optimal(heads, target)
    # the value of the design itself, by least squares on its support, and what updates from all sources come to
    support = weights > 0
    rooted = heads[:, support] * np.sqrt(weights[support])
    attained = float((np.linalg.lstsq(rooted, target, rcond=None)[0] ** 2).sum())
    assert np.isclose(attained, value, rtol=1e-8)
    assert np.isclose(value, np.abs(l1_relevance(heads, target)).sum() ** 2)
    _, updated, gap = v_optimal(heads, target[:, None], tolerance=1e-5)
    assert gap <= 1e-5
    assert np.isclose(updated, value, rtol=1e-4)


def test_the_c_optimal_design_on_the_ball_is_the_least_norm_task():
    rng = np.random.default_rng(5)
    task_map, target = rng.normal(size=(3, 24)), rng.normal(size=3)
    task = np.linalg.pinv(task_map) @ target
    others = rng.normal(size=(24, 400))
    candidates = np.column_stack([task, others])
    candidates /= np.linalg.norm(candidates, axis=0)
    weights, value = c_optimal(task_map @ candidates, target)
    assert np.isclose(value, task @ task)
    assert np.isclose(weights[0], 1)


def test_the_v_optimal_design_is_certified_and_beats_even_weights():
    rng = np.random.default_rng(6)
    heads, targets = rng.normal(size=(4, 30)), rng.normal(size=(4, 3))
    weights, value, gap = v_optimal(heads, targets)

    def spread(p):
        return float(np.trace(targets.T @ np.linalg.solve((heads * p) @ heads.T, targets)))

    assert gap <= 1e-6
    assert np.isclose(spread(weights), value, rtol=1e-9)
    for other in rng.dirichlet(np.ones(30), size=200):
        assert spread(other) >= value * (1 - 1e-6)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="span all 2"):
        v_optimal(np.ones((2, 4)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="targets must be"):
        v_optimal(np.eye(2), np.ones((3, 1)))
    with pytest.raises(ValueError, match="finite matrix"):
        e_optimal(np.full((2, 2), np.nan))
    assert c_optimal(np.zeros((2, 3)), np.ones(2))[1] == np.inf
