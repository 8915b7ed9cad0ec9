import pytest
import torch
from sklearn.linear_model import LogisticRegression

from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.seeding import Streams


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    return problem.open(Place(tmp_path_factory.mktemp("cache")), Streams(0))


def fit(features, labels, previous=None, l2=0.01):
    trainer = registry("trainers").build({"name": "logistic_regression", "l2": l2})
    return trainer.fit(
        ClassificationData(Examples(features, labels, torch.arange(len(labels))), features, None, 10), None, previous
    )


def test_it_finds_scikit_learns_optimum(digits):
    data = digits._test
    features, labels = data.features[:300].double(), data.labels[:300]
    reference = LogisticRegression(C=1 / (300 * 0.01), tol=1e-10, max_iter=10_000)
    reference.fit(features.numpy(), labels.numpy())
    expected = torch.as_tensor(reference.predict_proba(data.features.double().numpy()))
    torch.testing.assert_close(fit(features, labels).probabilities(data.features.double()), expected, atol=1e-5, rtol=0)


def test_starting_from_the_previous_round_changes_nothing_that_matters(digits):
    data = digits._test
    first = fit(data.features[:100], data.labels[:100])
    warm = fit(data.features[:200], data.labels[:200], previous=first)
    cold = fit(data.features[:200], data.labels[:200])
    torch.testing.assert_close(warm.probabilities(data.features), cold.probabilities(data.features), atol=1e-5, rtol=0)


def test_before_all_classes_are_seen_probabilities_are_sound(digits):
    data = digits._test
    for labels in ([3], [3, 3], [3, 5]):
        model = fit(data.features[: len(labels)], torch.tensor(labels))
        probabilities = model.probabilities(data.features)
        assert torch.isfinite(probabilities).all()
        torch.testing.assert_close(probabilities.sum(1), torch.ones(len(probabilities)), atol=1e-5, rtol=0)
        assert set(probabilities.argmax(1).tolist()) <= set(labels)
