"""Forests and support vector machines for classes, beside scikit-learn's own predictions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from labelbench_plus.plugins import registry
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.seeding import Streams


def drawn(
    classes: int, bought: tuple[int, ...] | None = None, count: int = 60
) -> tuple[ClassificationData, torch.Tensor]:
    rng = np.random.default_rng(classes)
    labels = rng.choice(bought or range(classes), count)
    features = torch.as_tensor(rng.normal(size=(count, 5)) + labels[:, None] * 0.8, dtype=torch.float32)
    labelled = Examples(features, torch.as_tensor(labels), torch.arange(count))
    test = torch.as_tensor(rng.normal(1, 2, size=(300, 5)), dtype=torch.float32)
    return ClassificationData(labelled, features, None, classes), test


def fitted(name: str, data: ClassificationData, **given: object):
    return registry("trainers").build({"name": name, **given}).fit(data, Streams(0).round(0), None)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_decisions_and_classes_of_the_machine_are_those_of_libsvm(classes):
    data, test = drawn(classes)
    model = fitted("svm", data, c=2.0)
    theirs = SVC(C=2.0, gamma=1 / 5, decision_function_shape="ovo", break_ties=False, random_state=0)
    x, y = data.labelled.features.double().numpy(), data.labelled.labels.numpy()
    expected = theirs.fit(x, y).decision_function(test.double().numpy())
    expected = -expected[:, None] if classes == 2 else expected
    np.testing.assert_allclose(model.decisions(test).numpy(), expected, atol=1e-9)
    ranked = SVC(C=2.0, gamma=1 / 5, break_ties=True, random_state=0).fit(x, y)
    probabilities = model.probabilities(test)
    assert np.array_equal(probabilities.argmax(dim=1).numpy(), ranked.predict(test.double().numpy()))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(300, dtype=torch.float64))


def test_the_least_sure_item_of_two_classes_lies_nearest_to_the_boundary():
    data, test = drawn(2)
    model = fitted("svm", data)
    margins = (model.probabilities(test)[:, 0] - model.probabilities(test)[:, 1]).abs()
    assert torch.equal(margins.argsort(), model.decisions(test)[:, 0].abs().argsort())


@pytest.mark.parametrize("leaf", [1, 4])
def test_the_forest_is_scikit_learn_s(leaf):
    data, test = drawn(3)
    model = fitted("random_forest_classifier", data, trees=20, leaf=leaf)
    state = int(Streams(0).round(0).rng("forest").integers(2**31))
    theirs = RandomForestClassifier(20, min_samples_leaf=leaf, random_state=state)
    theirs.fit(data.labelled.features.numpy(), data.labelled.labels.numpy())
    np.testing.assert_allclose(model.probabilities(test).numpy(), theirs.predict_proba(test.numpy()), atol=1e-12)
    members = np.stack([tree.predict_proba(test.numpy()) for tree in theirs.estimators_])
    np.testing.assert_allclose(model.member_probabilities(test).numpy(), members, atol=1e-12)


@pytest.mark.parametrize("name", ["svm", "random_forest_classifier"])
@pytest.mark.parametrize("bought", [(4,), (1, 3), (0, 2, 5)])
def test_classes_that_were_not_bought_have_no_probability(name, bought):
    data, test = drawn(6, bought)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(name, drawn(6, count=8)[0])
    probabilities = fitted(name, data).probabilities(test)
    others = [each for each in range(6) if each not in bought]
    assert probabilities.shape == (300, 6) and not probabilities[:, others].any()
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(300, dtype=torch.float64))
