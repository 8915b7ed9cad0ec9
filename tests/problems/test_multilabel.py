"""The multi-label problem: what is bought, shown, learned and scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from labelbench_plus.budget import Ledger
from labelbench_plus.datasets import Dataset, LabelledData, Split
from labelbench_plus.encoders import encoders
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.metrics import metrics
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems.multilabel import Multilabel
from labelbench_plus.seeding import Streams

SUITE = """\
suite: several
problems:
  - name: multilabel
    dataset: {name: mosaics, dataset: digits, pool: 120, validation: 10, test: 80}
    encoder: pixels
trainers: [{name: binary_relevance, l2: 0.1}]
strategies: [random, mean_binary_entropy, k_center]
budget: {first: 20, batch: 10, rounds: 3}
seeds: 0..0
"""


@dataclass(frozen=True)
class Made(Dataset):
    """Multi-label data as scikit-learn makes them."""

    prices: bool = False

    def load(self) -> LabelledData:
        x, y = make_multilabel_classification(n_samples=300, n_features=12, n_classes=5, n_labels=2, random_state=0)
        pool, validation, test = (Split(x[a:b], y[a:b]) for a, b in ((0, 150), (150, 180), (180, 300)))
        prices = 1.0 + np.arange(150) % 2 if self.prices else None
        return LabelledData(pool, validation, test, tuple("abcde"), pool_prices=prices)

    def fingerprint(self) -> str:
        return hash_labelled_data(self.load())


def made(prices: bool = False) -> Multilabel:
    return Multilabel(Made(prices), encoders.build("identity"))


@dataclass(frozen=True)
class WithTasks(Made):
    """The same, with a column."""

    provides = frozenset({"tasks"})

    def load(self) -> LabelledData:
        return replace(super().load(), columns={"tasks": np.arange(150) % 7})


def test_columns_of_the_data_are_shown(tmp_path):
    problem, ledger = Multilabel(WithTasks(), encoders.build("identity")), Ledger()
    assert problem.provides == {"features", "tasks"}
    instance = problem.open(Place(tmp_path), Streams(0))
    instance.oracle.answer(np.array([8, 3]), 2.0, ledger)
    view = instance.view(frozenset({"tasks"}), ledger, None, 1.0)
    assert view.tasks.tolist() == [item % 7 for item in range(150) if item not in (8, 3)]
    assert view.labelled_tasks.tolist() == [1, 3]


def test_a_unit_buys_an_items_whole_label_set(tmp_path):
    problem, ledger = made(), Ledger()
    instance = problem.open(Place(tmp_path), Streams(0))
    truth = Made().load().pool.labels
    instance.oracle.answer(np.array([7, 3, 149]), 3.0, ledger)
    assert (ledger.spent, problem.capacity(), problem.validation_labels()) == (3.0, 150.0, 30)
    data = instance.training_data(ledger, with_validation=False)
    assert data.labelled.labels.tolist() == truth[[7, 3, 149]].tolist()
    assert torch.equal(data.labelled.features, data.pool_features[[7, 3, 149]])
    assert data.validation is None
    view = instance.view(frozenset({"features", "num_classes"}), ledger, None, 5.0)
    assert view.labels.tolist() == truth[[7, 3, 149]].tolist()
    assert (len(view.candidates), view.num_classes, view.features.shape) == (147, 5, (147, 12))
    asked = instance.training_data(ledger, with_validation=True)
    assert asked.validation.labels.tolist() == Made().load().validation.labels.tolist()


def test_prices_are_those_of_the_data(tmp_path):
    problem, ledger = made(prices=True), Ledger()
    assert (problem.capacity(), problem.max_price()) == (225.0, 2.0)
    problem.open(Place(tmp_path), Streams(0)).oracle.answer(np.array([1, 0]), 2.5, ledger)
    assert ledger.items.tolist() == [1]


def test_trained_and_scored_as_scikit_learn_would(tmp_path):
    instance, ledger = made().open(Place(tmp_path), Streams(0)), Ledger()
    instance.oracle.answer(np.arange(100), 100.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    model = registry("trainers").build({"name": "binary_relevance", "l2": 0.01}).fit(data, Streams(0), None)
    x, y = data.labelled.features.double().numpy(), data.labelled.labels.numpy()
    test = instance._test.features.double().numpy()
    theirs = [
        LogisticRegression(C=1 / (100 * 0.01), tol=1e-10).fit(x, y[:, k]).predict_proba(test)[:, 1] for k in range(5)
    ]
    scores = instance.evaluate(model)
    expected = average_precision_score(Made().load().test.labels, np.stack(theirs, axis=1), average="macro")
    assert scores["mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    assert set(scores) == {"mean_average_precision", "multilabel_macro_f1", "multilabel_micro_f1"}
    view = instance.view(frozenset({"label_probabilities"}), ledger, model, 1.0)
    assert torch.equal(view.label_probabilities, model.label_probabilities(data.pool_features[100:]))


def test_a_suite_of_it_runs(tmp_path):
    from labelbench_plus import learning_curves, load_suite, run_suite

    file = tmp_path / "several.yaml"
    file.write_text(SUITE)
    run_suite(load_suite(file), tmp_path / "out")
    curves = learning_curves(load_suite(file), tmp_path / "out")
    assert sorted(curves["strategy"].unique()) == ["k_center", "mean_binary_entropy", "random"]
    assert curves.groupby("strategy")["labels"].apply(tuple).unique().tolist() == [(20, 30, 40)]
    assert curves["mean_average_precision"].between(0, 1).all()


def test_data_and_metrics_of_the_other_task_are_refused(tmp_path):
    digits = {"name": "multilabel", "dataset": "digits", "encoder": "pixels"}
    with pytest.raises(ValueError, match="'digits' gives one class to an item; it is for the problem 'classification'"):
        problems.build(digits).capacity()
    with pytest.raises(ValueError, match="'accuracy' is for problems of classification"):
        Multilabel(Made(), encoders.build("identity"), (metrics.build("accuracy"),)).capacity()
    mosaics = {"name": "mosaics", "dataset": "digits", "pool": 5, "validation": 5, "test": 5}
    classification = problems.build({"name": "classification", "dataset": mosaics, "encoder": "pixels"})
    with pytest.raises(ValueError, match="is multi-label; it is for the problem 'multilabel'"):
        classification.capacity()


def test_a_problem_of_classification_scores_its_worst_group(tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    site = np.arange(120) % 5
    frame = pd.DataFrame({"x": rng.standard_normal(120), "site": site, "y": np.zeros(120, dtype=int)})
    frame["y"] = ((frame["x"] > 0) ^ (site == 2)).astype(int)  # at one site the rule is the other way round
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = {"name": "feature_table", "path": str(tmp_path / "t.csv"), "label": "y", "features": ["x"], "group": "site"}
    asked = ["accuracy", "worst_group_accuracy"]
    problem = problems.build({"name": "classification", "dataset": table, "encoder": "identity", "metrics": asked})
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    instance.oracle.answer(np.arange(40), 40.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    scores = instance.evaluate(registry("trainers").build("logistic_regression").fit(data, Streams(0), None))
    assert scores["worst_group_accuracy"] < 0.4 < 0.6 < scores["accuracy"]
    with pytest.raises(ValueError, match="'worst_group_accuracy' needs groups"):
        problems.build(
            {"name": "classification", "dataset": "digits", "encoder": "pixels", "metrics": asked}
        ).capacity()
