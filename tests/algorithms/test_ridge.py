"""Ridge and Bayesian linear regression beside normal equations, refits, scikit-learn and their own model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge, Ridge
from torch import Tensor

from labelbench_plus.algorithms.learners.bayesian_linear import bayesian_linear_regression
from labelbench_plus.algorithms.learners.ridge import GRID, RidgeFit, bootstrap, leave_one_out, ridge_regression
from tests.algorithms.known_regression import KNOWN, LABELLED, X, Y

SHAPES = [(1, 3), (2, 5), (6, 9), (40, 5), (40, 39), (40, 40), (10, 60)]


def data(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64) + 3
    y = x @ torch.randn(d, generator=generator, dtype=torch.float64)
    return x.to(dtype), (y + 0.5 * torch.randn(n, generator=generator, dtype=torch.float64) + 10).to(dtype)


def normal_equations(x: Tensor, y: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """Weights with the constant's last, and the inverse of the information matrix."""
    z = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
    information = z.T @ z + l2 * torch.eye(z.shape[1], dtype=torch.float64)
    information[-1, -1] -= l2
    inverse = torch.linalg.inv(information)
    return inverse @ z.T @ y.double(), inverse


def test_known_coefficients() -> None:
    fit = ridge_regression(X[LABELLED], Y[LABELLED], l2=KNOWN["ridge"])
    expected = torch.tensor(KNOWN["coefficients"], dtype=torch.float64)
    torch.testing.assert_close(fit.weight, expected[:-1])
    assert fit.level - float(fit.weight @ fit.mean) == pytest.approx(float(expected[-1]))


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_predictions_and_variances_are_those_of_the_normal_equations(n: int, d: int, dtype: torch.dtype) -> None:
    x, y = data(n, d, dtype=dtype)
    new = data(700, d, seed=1, dtype=dtype)[0]
    fit = ridge_regression(x, y, l2=0.3)
    weight, inverse = normal_equations(x, y, 0.3)
    z = torch.cat([new.double(), torch.ones(700, 1, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(fit.predictions(new), z @ weight, rtol=1e-8, atol=1e-8)
    if n > 1:
        expected = fit.noise * ((z @ inverse) * z).sum(dim=1)
        torch.testing.assert_close(fit.variance(new), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("n", "d"), SHAPES[1:])
@pytest.mark.parametrize("l2", [1e-6, 0.1, 100.0])
def test_leaving_one_out_is_refitting(n: int, d: int, l2: float) -> None:
    x, y = data(n, d, 2)
    members = leave_one_out(x, y, l2=l2)
    made = members.predictions(x)
    for row in range(n):
        rest = torch.arange(n) != row
        expected = ridge_regression(x[rest], y[rest], l2=l2).predictions(x)
        torch.testing.assert_close(made[row], expected, rtol=1e-6, atol=1e-6)
    some = torch.tensor([1, 0])
    assert torch.equal(leave_one_out(x, y, l2=l2, rows=some).level, members.level[some])


@pytest.mark.parametrize(("n", "d"), [(6, 9), (40, 5), (40, 39)])
def test_the_penalty_has_the_least_error_of_leaving_one_out(n: int, d: int) -> None:
    x, y = data(n, d, 3)
    largest = float(torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)))[-1])
    errors = []
    for share in GRID:
        rest = [torch.arange(n) != row for row in range(n)]
        fits = [ridge_regression(x[rows], y[rows], l2=share * largest) for rows in rest]
        errors.append(
            sum(float((fit.predictions(x[~rows]) - y[~rows]) ** 2) for fit, rows in zip(fits, rest, strict=True))
        )
    assert ridge_regression(x, y).l2 == pytest.approx(GRID[int(np.argmin(errors))] * largest)


def test_the_noise_is_unbiased() -> None:
    found = []
    for seed in range(60):
        x, y = data(30, 8, seed)
        found.append(ridge_regression(x, y, l2=1e-6).noise)
    assert sum(found) / 60 == pytest.approx(0.25, rel=0.1)


def test_members_of_a_bootstrap_are_fits_of_what_was_drawn() -> None:
    x, y = data(12, 20, 4)
    new = data(50, 20, 5)[0]
    made = bootstrap(x, y, np.random.default_rng(3), members=4, l2=0.2).predictions(new)
    rng = np.random.default_rng(3)
    for member in made:
        drawn = torch.from_numpy(rng.integers(12, size=12))
        fit = Ridge(alpha=0.2).fit(x[drawn].numpy(), y[drawn].numpy())
        torch.testing.assert_close(member, torch.from_numpy(fit.predict(new.numpy())), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1.0, 1e4)])
def test_the_unit_and_the_origin_of_labels(scale: float, shift: float) -> None:
    x, y = data(40, 6, 6)
    for learn in (ridge_regression, bayesian_linear_regression):
        before, after = learn(x, y), learn(x, y * scale + shift)
        assert after.l2 == pytest.approx(before.l2, rel=1e-6)
        torch.testing.assert_close(after.predictions(x), before.predictions(x) * scale + shift, rtol=1e-7, atol=1e-6)
        torch.testing.assert_close(after.variance(x), before.variance(x) * scale**2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("learn", [ridge_regression, bayesian_linear_regression])
def test_labels_and_features_that_say_nothing(learn: Callable[..., RidgeFit]) -> None:
    x, _ = data(8, 3, 7)
    fit = learn(x, torch.full((8,), 5.0))
    assert torch.equal(fit.predictions(x), torch.full((8,), 5.0, dtype=torch.float64))
    assert fit.noise == 0
    assert bool((fit.variance(x) == 0).all())
    fit = learn(torch.full((8, 3), 0.1), torch.arange(8.0))
    torch.testing.assert_close(fit.predictions(x), torch.full((8,), 3.5, dtype=torch.float64))
    assert fit.noise == pytest.approx(6.0)
    fit = learn(x[:1], torch.tensor([2.0]))
    assert torch.equal(fit.predictions(x), torch.full((8,), 2.0, dtype=torch.float64))
    assert bool(torch.isfinite(fit.variance(x)).all())
    two = learn(torch.cat([x[:1], x[:1]]), torch.tensor([1.0, 2.0]))  # the same features, two labels
    assert float(two.predictions(x[:1])) == pytest.approx(1.5)


def test_evidence_is_at_its_maximum_and_scikit_learns_is_no_higher() -> None:
    features, labels = load_diabetes(return_X_y=True)
    x, y = torch.from_numpy(features[:100]), torch.from_numpy(labels[:100])
    fit = bayesian_linear_regression(x, y)

    def evidence(noise: float, prior: float) -> float:
        """Log density of the labels' contrasts, which the constant does not touch."""
        basis = torch.linalg.qr(torch.cat([torch.ones(100, 1), torch.eye(100)[:, 1:]], dim=1).double()).Q[:, 1:]
        seen, z = basis.T @ y, basis.T @ x
        covariance = noise * torch.eye(99, dtype=torch.float64) + prior * z @ z.T
        return float(torch.distributions.MultivariateNormal(torch.zeros(99).double(), covariance).log_prob(seen))

    best = evidence(fit.noise, fit.prior_variance)
    for noise, prior in ((1.01, 1.0), (0.99, 1.0), (1.0, 1.02), (1.0, 0.98)):
        assert evidence(fit.noise * noise, fit.prior_variance * prior) < best
    theirs = BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-10, max_iter=3000).fit(x, y)
    assert evidence(1 / theirs.alpha_, 1 / theirs.lambda_) <= best
    assert fit.converged
    assert fit.noise == pytest.approx(1 / theirs.alpha_, rel=0.02)  # they spend no label on the constant


def test_its_intervals_cover_what_they_say_on_its_own_model() -> None:
    worlds, inside = 1000, 0
    for seed in range(worlds):  # one new label each, so that outcomes are independent
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(61, 6, generator=generator, dtype=torch.float64)
        w = torch.randn(6, generator=generator, dtype=torch.float64)
        y = x @ w + 0.7 * torch.randn(61, generator=generator, dtype=torch.float64)
        fit = bayesian_linear_regression(x[:60], y[:60])
        reach = 1.6449 * (fit.variance(x[60:]) + fit.noise).sqrt()
        inside += int((fit.predictions(x[60:]) - y[60:]).abs() <= reach)
    assert abs(inside / worlds - 0.9) < 3 * (0.9 * 0.1 / worlds) ** 0.5


def test_refusals() -> None:
    x, y = data(5, 2, 8)
    with pytest.raises(ValueError, match="no examples to learn from"):
        ridge_regression(x[:0], y[:0])
    with pytest.raises(ValueError, match="l2 must be positive and finite, got 0"):
        ridge_regression(x, y, l2=0.0)
    with pytest.raises(ValueError, match="labels must be 5 floating-point numbers, one per row of features"):
        bayesian_linear_regression(x, y[:4])
    with pytest.raises(ValueError, match=r"one per row of features, got torch\.int64"):
        ridge_regression(x, y.long())
    with pytest.raises(ValueError, match="at least two examples"):
        leave_one_out(x[:1], y[:1], l2=1.0)
    with pytest.raises(ValueError, match="members must be at least 1, got 0"):
        bootstrap(x, y, np.random.default_rng(0), members=0, l2=1.0)
    with pytest.raises(ValueError, match="grid must hold at least one penalty"):
        ridge_regression(x, y, grid=())
    y[2] = math.nan
    with pytest.raises(ValueError, match="labels must be finite, but row 2"):
        ridge_regression(x, y)
