import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from labelbench_plus.plugins import registry


@pytest.fixture(params=[0, 1, 2])
def predictions(request):
    rng = np.random.default_rng(request.param)
    probabilities = rng.dirichlet(np.ones(5) * 0.5, size=300)
    labels = rng.choice([0, 1, 2, 4], size=300)  # class 3 never occurs
    return probabilities, labels


def score(name, probabilities, labels):
    return registry("metrics").build(name).score(torch.as_tensor(probabilities), torch.as_tensor(labels))


def test_against_scikit_learn(predictions):
    probabilities, labels = predictions
    predicted = probabilities.argmax(axis=1)
    assert score("accuracy", *predictions) == pytest.approx(accuracy_score(labels, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that never occur, and leaves them out
        assert score("balanced_accuracy", *predictions) == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert score("macro_f1", *predictions) == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert score("nll", *predictions) == pytest.approx(log_loss(labels, probabilities, labels=range(5)))


def test_calibration_error_by_hand():
    # Two bins: confidence .9 is right half the time, confidence .6 always: |.5-.9|·2/4 + |1-.6|·2/4
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    assert score("ece", np.array(probabilities), np.array([0, 1, 0, 0])) == pytest.approx(0.4)


def test_calibration_error_against_a_loop(predictions):
    probabilities, labels = predictions
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15 + 1e-12)
        if inside.any():
            expected += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert score("ece", *predictions) == pytest.approx(expected)


def test_a_certain_mistake_has_a_finite_likelihood():
    assert score("nll", np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))
