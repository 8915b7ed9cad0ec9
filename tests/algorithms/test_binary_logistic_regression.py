"""Many binary logistic regressions: each at scikit-learn's optimum, whatever the others are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from labelbench_plus.algorithms.learners.binary_logistic_regression import binary_logistic_regression


def scene(n: int, d: int, k: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels from nearly separable to pure chance, from frequent to rare."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    logits = x @ rng.standard_normal((d, k)) * np.geomspace(3, 0.01, k) - np.linspace(-1, 2, k)
    labels = (rng.random((n, k)) < 1 / (1 + np.exp(-logits))).astype(int)
    labels[0], labels[1] = 0, 1  # both values occur
    return torch.from_numpy(x), torch.from_numpy(labels)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (20, 50), (200, 5)])
@pytest.mark.parametrize("l2", [1e-4, 0.1])
def test_against_scikit_learn_label_by_label(n, d, l2):
    x, labels = scene(n, d, 6)
    found = binary_logistic_regression(x, labels, l2=l2)
    assert found.converged.all()
    for k in range(6):
        theirs = LogisticRegression(C=1 / (n * l2), tol=1e-12, solver="newton-cholesky", max_iter=1000)
        theirs.fit(x.numpy(), labels[:, k].numpy())
        assert np.allclose(found.weight[k], theirs.coef_[0], rtol=1e-4, atol=1e-4)
        expected = theirs.predict_proba(x.numpy())[:, 1]
        assert np.allclose(found.probabilities(x)[:, k], expected, atol=1e-5)
        nats = -np.log(np.where(labels[:, k] == 1, expected, 1 - expected)).mean()
        assert float(found.objective[k]) == pytest.approx(nats + l2 / 2 * (theirs.coef_**2).sum(), rel=1e-7)


def test_a_label_does_not_depend_on_the_others_nor_on_the_start():
    x, labels = scene(80, 10, 5)
    together = binary_logistic_regression(x, labels, l2=0.01)
    alone = binary_logistic_regression(x, labels[:, 2:3], l2=0.01)
    assert torch.allclose(together.weight[2], alone.weight[0], atol=1e-6)
    again = binary_logistic_regression(x, labels, l2=0.01, start=together)
    assert again.iterations == 0
    assert torch.equal(again.weight, together.weight)
    warm = binary_logistic_regression(x, labels, l2=0.02, start=together)
    cold = binary_logistic_regression(x, labels, l2=0.02)
    assert torch.allclose(warm.weight, cold.weight, atol=1e-6)


def test_labels_that_all_have_or_none_are_certain():
    x, labels = scene(30, 4, 3)
    labels[:, 0], labels[:, 2] = 0, 1
    found = binary_logistic_regression(x, labels, l2=0.1)
    probabilities = found.probabilities(x.float())
    assert (probabilities[:, 0] == 0).all()
    assert (probabilities[:, 2] == 1).all()
    assert 0 < float(probabilities[:, 1].min()) < float(probabilities[:, 1].max()) < 1
    one = binary_logistic_regression(x[:1], labels[:1], l2=0.1)
    assert one.probabilities(x).tolist() == [labels[0].float().tolist()] * 30


def test_separable_labels_and_equal_examples_are_solved_too():
    x, _ = scene(40, 3, 1)
    separable = torch.stack([(x[:, 0] > 0).long(), torch.arange(40) % 2], dim=1)
    found = binary_logistic_regression(x, separable, l2=1e-6)
    assert found.converged.all()
    assert ((found.probabilities(x)[:, 0] > 0.5).long() == separable[:, 0]).all()
    flat = binary_logistic_regression(torch.ones(40, 3), separable[:, 1:], l2=0.1)
    assert torch.allclose(flat.probabilities(torch.ones(2, 3)), torch.full((2, 1), 0.5))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": torch.zeros(5)}, r"labels must be \(5, K\) integers"),
        ({"labels": torch.full((5, 2), 2)}, "0 or 1, got 2..2"),
        ({"features": torch.full((5, 2), torch.nan)}, "features"),
        ({"l2": 0.0}, "l2 must be positive"),
        ({"features": torch.zeros(0, 2), "labels": torch.zeros(0, 2, dtype=torch.long)}, "no examples"),
        ({"start": binary_logistic_regression(*scene(9, 3, 2), l2=1.0)}, r"weights of shape \(2, 2\)"),
    ],
)
def test_what_is_wrong_is_named(changed, message):
    given = {"features": torch.zeros(5, 2), "labels": torch.zeros(5, 2, dtype=torch.long), "l2": 1.0, **changed}
    with pytest.raises(ValueError, match=message):
        binary_logistic_regression(given.pop("features"), given.pop("labels"), **given)
