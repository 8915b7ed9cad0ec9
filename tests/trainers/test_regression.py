"""Trainers of real-valued labels: in the label's unit, whatever it is, and the same wherever they are fitted again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.plugins import registry
from labelbench_plus.trainers.regression.gaussian_process import most_likely
from tests.trainers.regression_world import FAST, bent, cloud, fitted

X, TEST = cloud(60, 3, 1), cloud(200, 3, 2)
Y = bent(X)
OFFERED = [(name, what) for name in FAST for what in sorted(registry("trainers").load(name)(**FAST[name]).provides)]
UNCERTAIN = [name for name, what in OFFERED if what == "variance"]


def said(model, what, features=TEST):
    return getattr(model, what)(features)


@pytest.mark.parametrize("name", FAST)
def test_it_learns(name):
    error = said(fitted(name, X, Y), "predictions").double() - bent(TEST)
    assert float(error.square().mean().sqrt()) < 0.5 * float(bent(TEST).std())


@pytest.mark.parametrize(("name", "what"), OFFERED)
def test_it_is_a_function_of_data_and_streams_alone(name, what):
    torch.manual_seed(1)
    first = said(fitted(name, X, Y), what)
    torch.manual_seed(2)
    assert torch.equal(first, said(fitted(name, X, Y), what))


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1.0, 50.0), (1e-9, 0.0), (1e12, 3e12)])
def test_predictions_are_in_the_label_s_unit(name, scale, shift):
    one, other = fitted(name, X, Y), fitted(name, X, scale * Y + shift)
    tolerance = {"rtol": 1e-4, "atol": 1e-3 * abs(scale)}
    torch.testing.assert_close(
        said(other, "predictions").double(), scale * said(one, "predictions").double() + shift, **tolerance
    )
    if name in UNCERTAIN:
        torch.testing.assert_close(
            said(other, "variance").double() / scale**2, said(one, "variance").double(), rtol=1e-2, atol=1e-4
        )


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize(
    ("what", "features", "values"),
    [
        ("one label", X[:1], Y[:1]),
        ("two labels", X[:2], Y[:2]),
        ("labels that are all the same", X, torch.full((60,), 0.1, dtype=torch.float64)),
        ("features that are all the same", torch.ones(60, 3), Y),
        ("the same item twice, with other labels", X[[0, 0]], Y[:2]),
    ],
)
def test_what_there_is_little_to_learn_from(name, what, features, values):
    model = fitted(name, features, values)
    for offered in [each for trainer, each in OFFERED if trainer == name]:
        assert bool(said(model, offered).isfinite().all()), (what, offered)
    if what == "labels that are all the same" and name != "mlp_regression":  # networks remember their first weights
        torch.testing.assert_close(said(model, "predictions").double(), values[:1].expand(200), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", UNCERTAIN)
def test_it_is_surest_where_labels_were_bought(name):
    model = fitted(name, X, Y)
    assert float(said(model, "variance", X).mean()) < float(said(model, "variance", 4 * TEST).mean())


@pytest.mark.parametrize("name", ["random_forest", "mlp_regression"])
def test_the_variance_is_that_of_the_members(name):
    model = fitted(name, X, Y)
    members = said(model, "members")
    torch.testing.assert_close(said(model, "variance"), members.var(dim=0, correction=0))
    torch.testing.assert_close(said(model, "predictions"), members.mean(dim=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAST)
def test_a_saved_modelis_the_model(name, tmp_path):
    trainer, model = registry("trainers").build({"name": name, **FAST[name]}), fitted(name, X, Y)
    trainer.save_model(model, tmp_path)
    again = trainer.load_model(tmp_path)
    for what in trainer.provides:
        assert torch.equal(said(again, what), said(model, what))
    assert getattr(again, "noise", None) == getattr(model, "noise", None)


def test_draws_of_the_posterior_vary_by_its_variance():
    for count in (60, 3):  # of three labels there are directions that no label says anything about
        noisy = Y + 0.5 * cloud(60, 1, 3)[:, 0].double()
        wide = cloud(60, 6, 4)
        model = fitted("bayesian_linear", wide[:count], noisy[:count], ensemble=20_000)
        features = cloud(30, 6, 5)
        members = said(model, "members", features)
        torch.testing.assert_close(
            members.var(dim=0), said(model, "variance", features), rtol=0.06, atol=1e-12 * float(noisy.var())
        )
        spread = said(model, "variance", features).sqrt()
        assert bool(((members.mean(dim=0) - said(model, "predictions", features)).abs() < 0.05 * spread + 1e-9).all())


def test_intervals_of_bayesian_linear_cover_what_they_say_on_its_own_model():
    worlds, inside = 400, 0
    for seed in range(worlds):  # one new label each, so that outcomes are independent
        generator = torch.Generator().manual_seed(seed)
        x, w = torch.randn(41, 5, generator=generator), torch.randn(5, generator=generator).double()
        y = x.double() @ w + 0.5 * torch.randn(41, generator=generator).double()
        model = fitted("bayesian_linear", x[:40], y[:40], ensemble=2)
        reach = 1.6449 * (said(model, "variance", x[40:]) + model.noise).sqrt()
        inside += int((said(model, "predictions", x[40:]) - y[40:]).abs() <= reach)
    assert abs(inside / worlds - 0.9) < 3 * (0.9 * 0.1 / worlds) ** 0.5


def test_a_process_is_scikit_learns_at_its_own_hyperparameters():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    noisy = Y + 0.3 * cloud(60, 1, 3)[:, 0].double()
    model = fitted("gaussian_process", X, noisy)
    process = model.process
    labels = model.unit.standardised(noisy).numpy()
    kernel = ConstantKernel(process.variance) * RBF(process.length)
    theirs = GaussianProcessRegressor(kernel, alpha=process.noise, optimizer=None).fit(X.double().numpy(), labels)
    mean, deviation = theirs.predict(TEST.double().numpy(), return_std=True)
    torch.testing.assert_close(said(model, "predictions"), model.unit.labels(torch.as_tensor(mean)))
    expected = model.unit.variances(torch.as_tensor(deviation).square())
    torch.testing.assert_close(said(model, "variance"), expected, rtol=1e-5, atol=1e-8)
    assert model.noise == pytest.approx(0.09, rel=0.6)


def test_labels_of_a_process_are_most_likely_at_what_is_chosen():
    from scipy.stats import multivariate_normal

    labels = (Y - Y.mean()) / Y.std()
    best = most_likely(X, labels)
    squared = torch.cdist(X.double(), X.double()).square()

    def likelihood(variance, length, noise):
        covariance = variance * (-squared / (2 * length**2)).exp() + noise * torch.eye(60).double()
        return multivariate_normal(np.zeros(60), covariance.numpy(), allow_singular=True).logpdf(labels.numpy())

    for part in range(2):  # the noise of exact labels is at the end of its range
        for factor in (0.8, 1.25):
            moved = [value * (factor if number == part else 1) for number, value in enumerate(best)]
            assert likelihood(*moved) < likelihood(*best)


@pytest.mark.parametrize("name", ["random_forest", "gradient_boosting"])
def test_trees_as_arrays_predict_as_those_that_were_grown(name, monkeypatch):
    from labelbench_plus.trainers import _trees

    grown = []
    original = _trees.arrays_of
    monkeypatch.setattr(_trees, "arrays_of", lambda trees, device: grown.extend(trees) or original(trees, device))
    model = fitted(name, X, Y)
    theirs = np.stack([tree.predict(TEST.numpy()) for tree in grown])
    assert np.array_equal(model.trees.predictions(TEST).numpy(), theirs)


def test_with_dropout_one_network_has_members_too():
    model = fitted("mlp_regression", X, Y, networks=1, dropout=0.1, passes=7)
    assert said(model, "members").shape == (7, 200)
    assert float(said(model, "variance").min()) > 0
    alone = registry("trainers").build({"name": "mlp_regression", "networks": 1})
    assert alone.provides == {"predictions", "embeddings"}
    members = fitted("mlp_regression", X, Y, networks=2, dropout=0.1, passes=3)
    assert said(members, "members").shape == (6, 200)


def test_embeddings_are_the_first_network_s():
    model = fitted("mlp_regression", X, Y)
    weight, bias = model.layers[-1]
    embeddings = said(model, "embeddings")
    assert embeddings.shape == (200, 16)
    first = model.unit.labels((embeddings @ weight[0] + bias[0])[:, 0])
    # The embedding is what the first network's last layer reads.
    torch.testing.assert_close(said(model, "members")[0], first, rtol=1e-4, atol=1e-5)
