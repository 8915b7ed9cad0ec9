"""Relaxed designs against all subsets, against general-purpose solvers, and against theorems."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelbench_plus.algorithms.design.relaxed_design import (
    RelaxedDesign,
    relaxed_a_optimal,
    relaxed_d_optimal,
    relaxed_e_optimal,
    relaxed_v_optimal,
)

DESIGNS: dict[str, Callable[..., RelaxedDesign]] = {
    "D": relaxed_d_optimal,
    "A": relaxed_a_optimal,
    "V": relaxed_v_optimal,
    "E": relaxed_e_optimal,
}
SENSE = {"D": 1, "A": -1, "V": -1, "E": 1}
every_design = pytest.mark.parametrize("name", DESIGNS)
Matrix = NDArray[np.float64]


def rows(count: int, dimension: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)).to(dtype)


def prior(dimension: int, ridge: float, labelled: Tensor | None = None) -> Tensor:
    matrix = ridge * torch.eye(dimension, dtype=torch.float64)
    return matrix if labelled is None else matrix + labelled.double().T @ labelled.double()


def objective(name: str, information: Tensor, targets: Tensor) -> float:
    """The criterion from its definition."""
    if name == "D":
        return float(torch.logdet(information))
    if name == "E":
        return float(torch.linalg.eigvalsh(information)[0])
    inverse = torch.linalg.inv(information)
    return float(inverse.trace() if name == "A" else ((targets @ inverse) * targets).sum(dim=1).mean())


def information(features: Tensor, weights: Tensor, start: Tensor) -> Tensor:
    return start + (features.double() * weights[:, None]).T @ features.double()


def efficiency(name: str, reached: float, best: float, dimension: int) -> float:
    if name == "D":
        return math.exp((reached - best) / dimension)
    if name == "E":
        return reached / best
    return best / reached if reached else 1.0


def check(name: str, design: RelaxedDesign, features: Tensor, n: int, cap: float | None, start: Tensor) -> None:
    """What must hold of every design, converged or not."""
    weights, certificate = design.weights, design.certificate
    assert weights.shape == (len(features),)
    assert weights.dtype == torch.float64
    assert float(weights.min()) >= 0
    assert float(weights.sum()) == pytest.approx(n, rel=1e-9)
    if cap is not None:
        assert float(weights.max()) <= cap * (1 + 1e-12)
    reached = objective(name, information(features, weights, start), features.double())
    assert certificate.objective == pytest.approx(reached, rel=1e-7, abs=1e-7)
    assert SENSE[name] * (certificate.bound - reached) >= -1e-7 * max(1.0, abs(reached))
    assert certificate.gap == pytest.approx(abs(certificate.bound - certificate.objective), abs=1e-9)
    expected = min(1.0, efficiency(name, certificate.objective, certificate.bound, features.shape[1]))
    assert certificate.efficiency == pytest.approx(expected, rel=1e-9)


@every_design
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [1, 2, 200])
def test_no_subset_beats_the_bound(name: str, seed: int, most: int) -> None:
    """Also after one or two iterations, when the bound is all there is."""
    features, n = rows(10, 1 + seed, seed), 5
    features[3] = features[2]
    labelled = rows(2, 1 + seed, seed + 50) if seed % 2 else None
    ridge = 0.05
    design = DESIGNS[name](features, n, ridge=ridge, labelled=labelled, max_iterations=most)
    start = prior(1 + seed, ridge, labelled)
    check(name, design, features, n, 1.0, start)
    assert design.certificate.iterations <= most
    values = []
    for subset in itertools.combinations(range(10), n):
        chosen = features[list(subset)]
        values.append(SENSE[name] * objective(name, start + chosen.T @ chosen, features))
    assert max(values) <= SENSE[name] * design.certificate.bound + 1e-9
    if most == 200:
        assert design.certificate.efficiency >= 1 - (1e-2 if name == "E" else 1e-4)


def slow_optimum(name: str, features: Tensor, n: int, cap: float, start: Tensor) -> float:
    """D, A and V by sequential quadratic programming; E by cutting planes, each a linear program."""
    x, m0 = features.numpy(), start.numpy()
    if name == "E":
        return cutting_planes(x, n, cap, m0)

    def value(weights: Matrix) -> float:
        return -SENSE[name] * objective(name, information(features, torch.from_numpy(weights), start), features)

    def slope(weights: Matrix) -> Matrix:
        inverse = np.linalg.inv(m0 + (x.T * weights) @ x)
        if name == "D":
            return -np.einsum("nd,de,ne->n", x, inverse, x)
        moment = np.eye(x.shape[1]) if name == "A" else x.T @ x / len(x)
        return -np.einsum("nd,de,ne->n", x, inverse @ moment @ inverse, x)

    found = scipy.optimize.minimize(
        value,
        np.full(len(x), n / len(x)),
        jac=slope,
        bounds=[(0, cap)] * len(x),
        constraints={"type": "eq", "fun": lambda w: w.sum() - n, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return -SENSE[name] * float(found.fun)


def cutting_planes(x: Matrix, n: int, cap: float, m0: Matrix) -> float:
    """Maximise t with v'M(w)v ≥ t for the eigenvectors v met so far (Kelley, 1960)."""
    directions = list(np.linalg.eigh(m0 + x.T @ x)[1].T)
    for _ in range(300):
        v = np.array(directions)
        found = scipy.optimize.linprog(
            np.append(np.zeros(len(x)), -1.0),
            A_ub=np.hstack([-((v @ x.T) ** 2), np.ones((len(v), 1))]),
            b_ub=np.einsum("kd,de,ke->k", v, m0, v),
            A_eq=np.append(np.ones(len(x)), 0.0)[None],
            b_eq=[n],
            bounds=[(0, cap)] * len(x) + [(None, None)],
        )
        values, vectors = np.linalg.eigh(m0 + (x.T * found.x[:-1]) @ x)
        if values[0] >= found.x[-1] - 1e-7:
            return float(values[0])
        directions += list(vectors.T)
    raise AssertionError("the reference did not converge")


@every_design
@pytest.mark.parametrize(
    ("cap", "ridge", "with_labelled"), [(1.0, 0.1, False), (1.0, 0.0, True), (None, 0.0, False), (0.5, 1.0, True)]
)
def test_the_optimum_is_that_of_a_slow_solver(name: str, cap: float | None, ridge: float, with_labelled: bool) -> None:
    features, n = rows(20, 3, 7), 6
    labelled = rows(4, 3, 8) * torch.tensor([2.0, 1.0, 0.3]) if with_labelled else None
    start = prior(3, ridge, labelled)
    tolerance = 1e-3 if name == "E" else 1e-6
    design = DESIGNS[name](features, n, ridge=ridge, labelled=labelled, cap=cap, tolerance=tolerance)
    check(name, design, features, n, cap, start)
    assert design.certificate.efficiency >= 1 - tolerance
    best = slow_optimum(name, features, n, n if cap is None else cap, start)
    assert efficiency(name, design.certificate.objective, best, 3) == pytest.approx(1, abs=1.2 * tolerance)
    assert SENSE[name] * (design.certificate.bound - best) >= -1e-6 * abs(best)


def test_targets_change_the_design() -> None:
    features, targets = rows(40, 3, 9), rows(5, 3, 10) * torch.tensor([3.0, 0.1, 0.0])
    design = relaxed_v_optimal(features, 8, ridge=0.1, targets=targets, tolerance=1e-6)
    plain = relaxed_v_optimal(features, 8, ridge=0.1)
    start = prior(3, 0.1)
    assert design.certificate.objective == pytest.approx(
        objective("V", information(features, design.weights, start), targets), rel=1e-9
    )
    worse = objective("V", information(features, plain.weights, start), targets)
    assert worse > 1.05 * design.certificate.objective
    for seed in range(20):  # no random admissible weights are below the bound
        some = torch.rand(40, generator=torch.Generator().manual_seed(seed)).double()
        some *= 8 / some.sum()
        assert objective("V", information(features, some, start), targets) > design.certificate.bound


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_kiefer_wolfowitz(dimension: int, n: int) -> None:
    """At the classical D-optimum the largest leverage is d / n, and rows of positive weight have it."""
    features = rows(200, dimension, 11)
    weights = relaxed_d_optimal(features, n, ridge=0.0, cap=None, tolerance=1e-9).weights
    inverse = torch.linalg.inv(information(features, weights, prior(dimension, 0.0)))
    leverage = ((features @ inverse) * features).sum(dim=1)
    assert float(leverage.max()) == pytest.approx(dimension / n, rel=1e-6)
    assert leverage[weights > 1e-3 * n].min() == pytest.approx(dimension / n, rel=1e-3)


def test_d_optimal_supports_of_a_parabola() -> None:
    """Quadratic regression on [−1, 1]: thirds at −1, 0 and 1 (Fedorov, 1972, section 2.3)."""
    grid = torch.arange(-10, 11).double() / 10
    features = torch.stack([torch.ones_like(grid), grid, grid**2], dim=1)
    weights = relaxed_d_optimal(features, 3, ridge=0.0, cap=None, tolerance=1e-9).weights
    assert weights[[0, 10, 20]].tolist() == pytest.approx([1, 1, 1], abs=1e-4)


@pytest.mark.parametrize(("name", "ends"), [("A", 0.25), ("E", 0.2)])
def test_other_optima_of_a_parabola(name: str, ends: float) -> None:
    """A: a quarter at each end and a half at 0; E: 1/5, 3/5, 1/5 (Pukelsheim, 2006, section 9.5)."""
    grid = torch.arange(-10, 11).double() / 10
    features = torch.stack([torch.ones_like(grid), grid, grid**2], dim=1)
    weights = DESIGNS[name](features, 1, ridge=0.0, cap=None, tolerance=1e-4).weights
    assert weights[[0, 10, 20]].tolist() == pytest.approx([ends, 1 - 2 * ends, ends], abs=5e-3)


@every_design
def test_a_row_twice_at_half_the_cap_is_one_row(name: str) -> None:
    features = rows(30, 3, 12)
    once = DESIGNS[name](features, 6, ridge=0.1).certificate
    twice = DESIGNS[name](features.repeat(2, 1), 6, ridge=0.1, cap=0.5).certificate
    for one, other in ((once, twice), (twice, once)):
        assert SENSE[name] * one.objective <= SENSE[name] * other.bound + 1e-9


@every_design
@pytest.mark.parametrize(
    "features",
    [torch.ones(30, 4), torch.zeros(30, 4), rows(5, 4, 13).repeat(6, 1), rows(30, 1, 14), rows(30, 4, 15).half()],
    ids=["constant", "zero", "duplicates", "one feature", "float16"],
)
@pytest.mark.parametrize("n", [1, 7, 29, 30])
@pytest.mark.filterwarnings("error")
def test_odd_pools(name: str, features: Tensor, n: int) -> None:
    for labelled in (None, features[:0], features[:9]):
        design = DESIGNS[name](features, n, ridge=0.5, labelled=labelled)
        check(name, design, features, n, 1.0, prior(features.shape[1], 0.5, labelled))
        assert design.certificate.efficiency >= 1 - (1e-2 if name == "E" else 1e-4)
    if n == 30:
        assert design.weights.tolist() == [1.0] * 30


@every_design
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_of_equal_rows_the_lowest_has_weight_first(name: str, dtype: torch.dtype) -> None:
    once = rows(20, 3, 22, dtype)
    once[5, 0] = 0.0
    features = once.repeat(3, 1)
    features[25, 0] = -0.0
    design = DESIGNS[name](features, 30, ridge=0.1)
    check(name, design, features, 30, 1.0, prior(3, 0.1))
    weights = design.weights.reshape(3, 20)
    assert bool(((weights[1] == 0) | (weights[0] == 1)).all())
    assert bool(((weights[2] == 0) | (weights[1] == 1)).all())
    assert bool((weights[2] > 0).any())


@every_design
def test_one_row(name: str) -> None:
    design = DESIGNS[name](rows(1, 3, 16), 1, ridge=1.0)
    assert design.weights.tolist() == [1.0]
    assert design.certificate.efficiency >= 0.99


@every_design
def test_only_the_ratio_of_ridge_to_squared_scale_matters(name: str) -> None:
    features = rows(60, 4, 17)
    plain = DESIGNS[name](features, 10, ridge=0.1)
    for scale in (2.0**-12, 2.0**12):
        scaled = DESIGNS[name](scale * features, 10, ridge=0.1 * scale**2)
        assert scaled.weights.tolist() == pytest.approx(plain.weights.tolist(), abs=1e-6)


@every_design
def test_a_better_answer_costs_more_passes_and_never_less_quality(name: str) -> None:
    features = rows(300, 6, 18)
    quality = [DESIGNS[name](features, 30, ridge=0.1, max_iterations=most).certificate for most in (1, 3, 200)]
    bounds = [SENSE[name] * certificate.bound for certificate in quality]
    reached = [SENSE[name] * certificate.objective for certificate in quality]
    assert bounds == sorted(bounds, reverse=True)
    assert reached == sorted(reached)
    assert reached[0] < reached[-1]


@every_design
def test_threads_change_nothing_beyond_the_tolerance(name: str) -> None:
    features = rows(1500, 5, 19, torch.float32)
    whole = DESIGNS[name](features, 40, ridge=0.1)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        other = DESIGNS[name](features, 40, ridge=0.1)
    finally:
        torch.set_num_threads(threads)
    check(name, other, features, 40, 1.0, prior(5, 0.1))
    for one, two in ((whole.certificate, other.certificate), (other.certificate, whole.certificate)):
        assert SENSE[name] * one.objective <= SENSE[name] * two.bound + 1e-9
    assert torch.equal(DESIGNS[name](features, 40, ridge=0.1).weights, whole.weights)


@every_design
def test_refusals(name: str) -> None:
    features = rows(6, 3, 20)
    design = DESIGNS[name]
    spoilt = features.clone()
    spoilt[2, 1] = math.nan
    with pytest.raises(ValueError, match="features must be finite, but row 2"):
        design(spoilt, 2, ridge=1.0)
    with pytest.raises(ValueError, match="labelled must be finite"):
        design(features, 2, ridge=1.0, labelled=spoilt)
    with pytest.raises(ValueError, match="labelled must have the 3 columns"):
        design(features, 2, ridge=1.0, labelled=features[:, :2])
    with pytest.raises(ValueError, match="mass n must be at least 1, got 0"):
        design(features, 0, ridge=1.0)
    with pytest.raises(ValueError, match=r"6 rows of weight at most 1\.0 cannot carry a mass of 7"):
        design(features, 7, ridge=1.0)
    with pytest.raises(ValueError, match="0 rows of weight at most None cannot carry"):
        design(features[:0], 1, ridge=1.0, cap=None)
    with pytest.raises(ValueError, match="cap must be positive"):
        design(features, 2, ridge=1.0, cap=0.0)
    with pytest.raises(ValueError, match="ridge must be a finite number"):
        design(features, 2, ridge=-1.0)
    with pytest.raises(ValueError, match="must span all 3 directions"):
        design(torch.ones(6, 3), 3, ridge=0.0)


def test_empty_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="targets must hold at least one row"):
        relaxed_v_optimal(rows(6, 3, 21), 2, ridge=1.0, targets=torch.zeros(0, 3))


def test_memory_is_linear_in_the_rows(peak_bytes: Callable[[str, str], int]) -> None:
    names = "relaxed_d_optimal, relaxed_v_optimal"
    setup = f"from labelbench_plus.algorithms.design.relaxed_design import {names}; x = torch.randn(30000, 32)"
    warm = f"[design(x[:3000], 100, ridge=1.0) for design in ({names})]"
    # 30 float64 numbers a row and a handful of 2048 × 2048 models; anything quadratic would take 7 GB
    assert peak_bytes(f"{setup}; {warm}", warm.replace("[:3000]", "")) < 30000 * 8 * 30 + 8 * 2048**2 * 8
