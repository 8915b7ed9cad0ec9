import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from labelbench_plus.algorithms.learners.logistic_regression import logistic_regression


def digits(n: int, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels - pixels.mean(0)) / pixels.std()
    projection = np.random.default_rng(0).standard_normal((64, width)) / 8 if width != 64 else np.eye(64)
    return torch.as_tensor(pixels[:n] @ projection), torch.as_tensor(labels[:n])


def objective(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor, l2: float) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(x @ weight.T + bias, y) + l2 / 2 * (weight * weight).sum()


@pytest.mark.parametrize("l2", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize(("n", "width"), [(40, 64), (40, 200), (300, 64), (1000, 20)])
def test_the_optimum_is_scikit_learns(n, width, l2):
    x, y = digits(n, width)
    fit = logistic_regression(x, y, 10, l2=l2)
    reference = LogisticRegression(C=1 / (n * l2), tol=1e-9, max_iter=20_000).fit(x.numpy(), y.numpy())
    theirs = float(objective(torch.as_tensor(reference.coef_), torch.as_tensor(reference.intercept_), x, y, l2))
    assert fit.converged
    assert fit.objective <= theirs * (1 + 1e-6)
    assert fit.objective == pytest.approx(float(objective(fit.weight, fit.bias, x, y, l2)))
    expected = torch.as_tensor(reference.predict_proba(x.numpy()))
    torch.testing.assert_close(fit.probabilities(x), expected, atol=2e-4, rtol=0)


def test_the_gradient_vanishes_there():
    x, y = digits(200)
    fit = logistic_regression(x, y, 10, l2=0.01)
    weight, bias = fit.weight.clone().requires_grad_(), fit.bias.clone().requires_grad_()
    objective(weight, bias, x, y, 0.01).backward()
    norm = float((weight.grad.norm() ** 2 + bias.grad.norm() ** 2) ** 0.5)
    assert norm < 1e-6
    assert norm == pytest.approx(fit.gradient_norm, abs=1e-9)


def test_a_start_shortens_the_way_and_not_the_result():
    x, y = digits(300)
    cold = logistic_regression(x, y, 10, l2=0.01)
    warm = logistic_regression(x, y, 10, l2=0.01, start=cold)
    assert warm.iterations <= 1 < cold.iterations
    torch.testing.assert_close(warm.weight, cold.weight, atol=1e-6, rtol=0)
    fewer = logistic_regression(x[:10], y[:10], 10, l2=0.01)
    grown = logistic_regression(x, y, 10, l2=0.01, start=fewer)
    torch.testing.assert_close(grown.probabilities(x), cold.probabilities(x), atol=1e-5, rtol=0)


def test_a_class_without_examples_has_no_probability():
    x, y = digits(200)
    few = (y == 3) | (y == 7)
    fit = logistic_regression(x[few], y[few], 10, l2=0.01)
    alone = logistic_regression(x[few], (y[few] == 7).long(), 2, l2=0.01)
    probabilities = fit.probabilities(x)
    torch.testing.assert_close(probabilities[:, [3, 7]], alone.probabilities(x), atol=1e-8, rtol=0)
    assert probabilities[:, [0, 1, 2, 4, 5, 6, 8, 9]].abs().max() == 0


def test_one_class_is_certain():
    x, _ = digits(5)
    fit = logistic_regression(x, torch.full((5,), 4), 10, l2=0.01)
    assert torch.equal(fit.probabilities(x).argmax(1), torch.full((5,), 4))
    assert fit.objective == 0.0


@pytest.mark.parametrize("x", [torch.ones(30, 4), torch.zeros(30, 4)])
def test_constant_features_leave_the_shares_of_the_classes(x):
    y = torch.arange(30) % 3
    fit = logistic_regression(x, y, 3, l2=0.1)
    torch.testing.assert_close(fit.probabilities(x), torch.full((30, 3), 1 / 3), atol=1e-6, rtol=0)


def test_separable_data_and_a_tiny_penalty():
    x = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]])
    fit = logistic_regression(x, torch.tensor([0, 0, 1, 1]), 2, l2=1e-8)
    assert torch.isfinite(fit.weight).all()
    assert (fit.probabilities(x).argmax(1) == torch.tensor([0, 0, 1, 1])).all()


def test_repeated_calls_give_the_same_bits_in_the_precision_asked_for():
    x, y = digits(100)
    fits = [logistic_regression(x.float(), y, 10, l2=0.01) for _ in range(2)]
    assert torch.equal(fits[0].weight, fits[1].weight)
    assert fits[0].probabilities(x.float()).dtype == torch.float32
    assert fits[0].probabilities(x).dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"features": torch.full((4, 2), torch.nan)}, "features must be finite"),
        ({"labels": torch.tensor([0, 1, 2, 3])}, r"must lie in 0\.\.2"),
        ({"labels": torch.tensor([0, 1, -1, 0])}, r"must lie in 0\.\.2"),
        ({"labels": torch.tensor([0, 1])}, "labels must be 4 integers"),
        ({"labels": torch.zeros(4)}, "labels must be 4 integers"),
        ({"features": torch.zeros(0, 2), "labels": torch.zeros(0, dtype=torch.long)}, "no examples to learn from"),
        ({"l2": 0.0}, "l2 must be positive"),
    ],
)
def test_bad_input_is_refused(change, says):
    arguments = {"features": torch.rand(4, 2), "labels": torch.tensor([0, 1, 2, 0]), "l2": 0.1, **change}
    with pytest.raises(ValueError, match=says):
        logistic_regression(arguments["features"], arguments["labels"], 3, l2=arguments["l2"])


def test_a_start_of_another_shape_is_refused():
    x, y = digits(20)
    fit = logistic_regression(x, y, 10, l2=0.1)
    with pytest.raises(ValueError, match=r"start must have weights of shape \(10, 5\), got \(10, 64\)"):
        logistic_regression(x[:, :5], y, 10, l2=0.1, start=fit)
