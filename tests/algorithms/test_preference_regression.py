"""Logistic regression of preferences against SciPy's optimum."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from labelbench_plus.algorithms.learners.preference_regression import preference_regression


def objective(w, x, l2, centre):
    return np.logaddexp(0, -x @ w).sum() + l2 / 2 * ((w - centre) ** 2).sum()


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("count", [1, 5, 200])
def test_the_optimum_is_found_and_its_curvature(scale, count):
    rng = np.random.default_rng(count)
    x, centre, l2 = scale * rng.standard_normal((count, 4)), rng.standard_normal(4), 0.3
    fit = preference_regression(torch.as_tensor(x), l2=l2, centre=torch.as_tensor(centre))
    known = minimize(objective, centre, args=(x, l2, centre), method="BFGS", options={"gtol": 1e-9})
    w = fit.coefficients.numpy()
    assert objective(w, x, l2, centre) <= known.fun + 1e-9
    chance = 1 / (1 + np.exp(np.clip(x @ w, -500, 500)))
    expected = (x * (chance * (1 - chance))[:, None]).T @ x + l2 * np.eye(4)
    np.testing.assert_allclose(fit.curvature.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_of_nothing_the_centre_is_learned():
    centre = torch.tensor([0.5, -2.0])
    fit = preference_regression(torch.empty(0, 2), l2=2.0, centre=centre)
    torch.testing.assert_close(fit.coefficients, centre.double())
    torch.testing.assert_close(fit.curvature, 2 * torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("differences", "l2", "centre", "says"),
    [
        (torch.zeros(3, 2), 1.0, torch.zeros(3), r"expected \(n, d\) and \(d,\)"),
        (torch.tensor([[float("nan")]]), 1.0, torch.zeros(1), "finite"),
        (torch.zeros(3, 2), 0.0, torch.zeros(2), "l2: expected a number above 0"),
    ],
)
def test_what_has_no_optimum_is_refused(differences, l2, centre, says):
    with pytest.raises(ValueError, match=says):
        preference_regression(differences, l2=l2, centre=centre)
