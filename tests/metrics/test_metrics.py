import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    roc_auc_score,
)

from labelbench_plus.contracts.scores import UnusableScore
from labelbench_plus.metrics import check_metrics, metrics, score_all
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


@pytest.mark.parametrize("decimals", [1, 17])  # with rounding, many probabilities are equal
def test_scores_of_an_order_against_scikit_learn(predictions, decimals):
    probabilities, labels = predictions[0].round(decimals), predictions[1]
    occurring = [labels == k for k in (0, 1, 2, 4)]
    columns = [probabilities[:, k] for k in (0, 1, 2, 4)]
    for name, theirs in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
        each = [theirs(*pair) for pair in zip(occurring, columns, strict=True)]
        assert score(name, probabilities, labels) == pytest.approx(np.mean(each))
        rare = labels == 4
        two = np.stack([1 - probabilities[:, 4], probabilities[:, 4]], axis=1)
        assert score(name, two, rare.astype(int)) == pytest.approx(theirs(rare, two[:, 1]))
        assert score(name, two[:, ::-1].copy(), 1 - rare) == pytest.approx(theirs(rare, two[:, 1]))
        assert score(name, two, np.zeros(300, dtype=int)) == {"roc_auc": 0.5, "average_precision": 1.0}[name]


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


def test_the_worst_group_is_the_one_with_the_lowest_accuracy(predictions):
    probabilities, labels = predictions
    groups = np.random.default_rng(3).choice([-1, 0, 2, 5], size=len(labels))
    hit = probabilities.argmax(axis=1) == labels
    asked = [metrics.build(name) for name in ("accuracy", "worst_group_accuracy")]
    tensors = [torch.as_tensor(array) for array in (probabilities, labels, groups)]
    found = score_all(asked, *tensors)
    assert found == {
        "accuracy": pytest.approx(hit.mean()),
        "worst_group_accuracy": pytest.approx(min(hit[groups == g].mean() for g in (0, 2, 5))),
    }
    with pytest.raises(ValueError, match="no example is in a group"):
        score_all(asked, *tensors[:2], torch.full((300,), -1))


def test_metrics_that_a_problem_cannot_use_are_refused():
    accuracy, worst, mean = map(metrics.build, ("accuracy", "worst_group_accuracy", "mean_average_precision"))
    check_metrics([accuracy, worst], "classification", has_groups=True)
    with pytest.raises(ValueError, match="'worst_group_accuracy' needs groups"):
        check_metrics([accuracy, worst], "classification", has_groups=False)
    with pytest.raises(ValueError, match="'mean_average_precision' is for problems of multilabel"):
        check_metrics([accuracy, mean], "classification", has_groups=True)
    with pytest.raises(ValueError, match="at least one"):
        check_metrics([], "multilabel", has_groups=False)


@pytest.mark.parametrize("decimals", [1, 17])  # with rounding, many probabilities are equal
def test_multi_label_metrics_against_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    labels = (rng.random((80, 6)) < [0.5, 0.3, 0.1, 0.02, 0.9, 0.0]).astype(int)
    probabilities = np.clip(0.4 * labels + 0.6 * rng.random((80, 6)), 0, 1).round(decimals)
    occurring = labels.any(axis=0)
    assert not occurring[5]
    assert score("mean_average_precision", probabilities, labels) == pytest.approx(
        average_precision_score(labels[:, occurring], probabilities[:, occurring], average="macro")
    )
    probabilities[:, 5] = 0.0
    predicted = probabilities >= 0.5
    assert score("multilabel_micro_f1", probabilities, labels) == pytest.approx(
        f1_score(labels, predicted, average="micro")
    )
    shown = labels.any(axis=0) | predicted.any(axis=0)
    assert score("multilabel_macro_f1", probabilities, labels) == pytest.approx(
        f1_score(labels[:, shown], predicted[:, shown], average="macro")
    )


def test_multi_label_metrics_without_anything_to_score():
    nothing = np.zeros((4, 2), dtype=int)
    assert score("multilabel_micro_f1", np.full((4, 2), 0.1), nothing) == 0.0
    assert score("multilabel_macro_f1", np.full((4, 2), 0.1), nothing) == 0.0
    with pytest.raises(ValueError, match="no example has any label"):
        score("mean_average_precision", np.full((4, 2), 0.1), nothing)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", sorted(metrics.entries()))
def test_no_metric_scores_predictions_that_are_not_finite(name, bad):
    metric = metrics.build(name)
    labels = torch.eye(3, dtype=torch.long) if metric.reads == "label_probabilities" else torch.tensor([0, 1, 2])
    predictions = torch.full({"values": (3,), "intervals": (3, 2)}.get(metric.reads, (3, 3)), 1 / 3)
    score_all([metric], predictions, labels, torch.zeros(3, dtype=torch.long))
    predictions.reshape(3, -1)[1, -1] = bad
    with pytest.raises(UnusableScore, match=f"score '{name}': the predictions for 1 of 3 test items are not finite"):
        score_all([metric], predictions, labels, torch.zeros(3, dtype=torch.long))
