"""The regression problem: what is bought, shown, learned and scored."""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.scores import UnusableScore
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.features.hashing import hash_labelled_data
from labelbench_plus.leaderboard.of_suite import results_of_suite
from labelbench_plus.leaderboard.results import read_results, write_results
from labelbench_plus.leaderboard.site import build_site
from labelbench_plus.metrics import metrics
from labelbench_plus.oracle import QueryError, StratifiedDraw
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems.regression import Measurements, Regression, RegressionData
from labelbench_plus.running.job import Job, Where, carry_out
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.strangers import Allowed
from labelbench_plus.submission.check import check
from labelbench_plus.submission.pack import pack
from labelbench_plus.submission.replay import replay
from labelbench_plus.submission.sample import Sample
from labelbench_plus.suite import Isolation, load_suite
from labelbench_plus.testing.resume import check_resumes
from labelbench_plus.trainers import trainers
from labelbench_plus.view import CapabilityError, ItemView, PoolView
from tests.submission.bundles import WHO, chained, lines_of, write_lines

ODD = (-1.0, 0.0, -0.0, 1e12, -2.5e-3, float(np.float32(1e-45)), -7.0, 0.1)
POOL, VALIDATION, TEST = 60, 10, 50


@datasets.register("made_values")
@dataclass(frozen=True)
class Made(Dataset):
    """A linear world, of which the first labels may be odd."""

    dtype: str = "float64"
    odd: tuple[float, ...] = ()
    prices: bool = False
    times: float = 1.0

    def load(self) -> LabelledData:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((POOL + VALIDATION + TEST, 4)) * [1, 10, 100, 0] + [0, 5, 0, 3]
        y = (self.times * (x @ [1, 0.1, 0.01, 0] + 0.1 * rng.standard_normal(len(x)) + 2)).astype(self.dtype)
        y[: len(self.odd)] = self.odd
        ends = (0, POOL, POOL + VALIDATION, len(x))
        pool, validation, test = (Split(x[a:b], y[a:b]) for a, b in pairwise(ends))
        return LabelledData(pool, validation, test, (), 1.0 + np.arange(POOL) % 2 if self.prices else None)

    def fingerprint(self) -> str:
        return hash_labelled_data(self.load())


@dataclass(frozen=True)
class Mean:
    """A model that knows one number."""

    value: float

    def predictions(self, features: torch.Tensor) -> torch.Tensor:
        return torch.full((len(features),), self.value)


@trainers.register("mean_of_the_test")
@dataclass(frozen=True)
class MeanTrainer(Trainer):
    """The mean of what was bought, without a variance."""

    task = "regression"
    provides = frozenset({"predictions"})

    def fit(self, data: RegressionData, streams: Streams, previous: Mean | None) -> Mean:
        return Mean(float(data.labelled.values.mean()))


def bought(problem: Regression, tmp_path, items) -> tuple:
    instance, ledger = problem.open(Place(tmp_path), Streams(0)), Ledger()
    instance.oracle.answer(np.array(items), float(len(items)), ledger)
    return instance, ledger


def test_a_label_is_bought_shown_and_learned_in_its_own_unit(tmp_path):
    problem, truth = Regression(Made()), Made().load().pool.labels
    instance, ledger = problem.open(Place(tmp_path), Streams(0)), Ledger()
    instance.oracle.answer(np.array([7, 3, 59]), 3.0, ledger)
    assert (problem.capacity(), problem.validation_labels(), problem.primary_metric()) == (60.0, 10, ("rmse", False))
    data = instance.training_data(ledger, with_validation=False)
    assert isinstance(data.labelled, Measurements) and data.validation is None
    assert data.labelled.values.tolist() == truth[[7, 3, 59]].tolist() and data.labelled.rows.tolist() == [7, 3, 59]
    assert torch.equal(data.labelled.features, data.pool_features[[7, 3, 59]])
    view = instance.view(frozenset({"features"}), ledger, None, 5.0)
    assert isinstance(view, ItemView) and not isinstance(view, PoolView)
    assert view.answers.tolist() == truth[[7, 3, 59]].tolist() and view.labelled_features.shape == (3, 4)
    for classes in ("labels", "num_classes", "probabilities"):
        with pytest.raises(CapabilityError):
            getattr(view, classes)
    with_validation = instance.training_data(ledger, with_validation=True).validation
    assert with_validation.values.tolist() == Made().load().validation.labels.tolist()


def test_features_have_mean_0_and_variance_1_on_the_pool_alone(tmp_path):
    instance, _ = bought(Regression(Made()), tmp_path, [0])
    pool = instance._features["pool"].double()
    assert pool.mean(dim=0).tolist() == pytest.approx([0] * 4, abs=1e-6)
    assert pool.std(dim=0, correction=0).tolist() == pytest.approx([1, 1, 1, 0], abs=1e-6)  # the last is constant
    raw = Made().load()
    expected = (raw.test.array[:, :3] - raw.pool.array[:, :3].mean(axis=0)) / raw.pool.array[:, :3].std(axis=0)
    assert instance._features["test"][:, :3].numpy() == pytest.approx(expected, abs=1e-4)


def test_scores_are_in_the_labels_unit_and_per_deviation_of_the_pools_labels(tmp_path):
    data, (instance, ledger) = Made().load(), bought(Regression(Made()), tmp_path, range(20))
    model = trainers.build("ridge").fit(instance.training_data(ledger, with_validation=False), Streams(0), None)
    scores, test = instance.evaluate(model), instance._features["test"]
    said, true = model.predictions(test).numpy(), data.test.labels
    errors = np.abs(said - true)
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(true, said))
    assert scores["mae"] == pytest.approx(mean_absolute_error(true, said))
    assert scores["r2"] == pytest.approx(r2_score(true, said))
    assert scores["absolute_error_95"] == pytest.approx(np.quantile(errors, 0.95))
    assert scores["absolute_error_99"] == pytest.approx(np.quantile(errors, 0.99))
    assert scores["largest_error"] == errors.max()
    for name in ("rmse", "mae", "absolute_error_95", "absolute_error_99", "largest_error"):
        assert scores[f"{name}_per_sd"] == pytest.approx(scores[name] / data.pool.labels.std())
    assert "r2_per_sd" not in scores and "gaussian_nll_per_sd" not in scores
    around = model.variance(test).numpy() + model.noise
    nll = 0.5 * np.log(2 * np.pi * around) + (said - true) ** 2 / (2 * around)
    assert scores["gaussian_nll"] == pytest.approx(nll.mean())
    assert scores["coverage_90"] == pytest.approx((errors <= 1.6448536 * np.sqrt(around)).mean())


def test_a_thousand_times_the_labels_is_a_thousand_times_the_error(tmp_path):
    found = []
    for times in (1.0, 1000.0):
        instance, ledger = bought(Regression(Made(times=times)), tmp_path, range(15))
        model = trainers.build("ridge").fit(instance.training_data(ledger, with_validation=False), Streams(0), None)
        found.append(instance.evaluate(model))
    assert found[1]["rmse"] == pytest.approx(1000 * found[0]["rmse"])
    assert found[1]["rmse_per_sd"] == pytest.approx(found[0]["rmse_per_sd"])
    assert found[1]["gaussian_nll"] == pytest.approx(found[0]["gaussian_nll"] + np.log(1000))


def test_who_offers_no_variance_has_no_scores_of_intervals(tmp_path):
    instance, ledger = bought(Regression(Made()), tmp_path, [0, 1])
    scores = instance.evaluate(MeanTrainer().fit(instance.training_data(ledger, with_validation=False), None, None))
    assert "rmse" in scores and not {"gaussian_nll", "coverage_90"} & set(scores)


def test_predictions_of_another_shape_or_without_a_number_are_no_scores(tmp_path):
    class Matrix(Mean):
        def predictions(self, features):
            return torch.zeros(len(features), 1)

    instance, _ = bought(Regression(Made()), tmp_path, [0])
    with pytest.raises(UnusableScore, match=r"predictions of 50 test items: expected \(n,\), got \(50, 1\)"):
        instance.evaluate(Matrix(0.0))
    with pytest.raises(UnusableScore, match="predictions for 50 of 50 test items are not finite"):
        instance.evaluate(Mean(float("nan")))


def test_the_evaluation_alone_knows_the_deviation_of_the_pools_labels(tmp_path):
    """Two worlds that differ in labels nobody paid for look alike to strategies and trainers."""
    shown = []
    for odd in ((), (1e6, -1e6)):
        instance, ledger = bought(Regression(Made(odd=odd)), tmp_path, [10, 11])
        view, data = instance.view(frozenset({"features"}), ledger, None, 5.0), instance.training_data
        shown.append(
            (view.features, view.answers, view.prices, *vars(data(ledger, with_validation=True).labelled).values())
        )
    assert all(torch.equal(one, other) for one, other in zip(*shown, strict=True))


def test_a_draw_by_class_is_refused(tmp_path):
    instance, ledger = bought(Regression(Made()), tmp_path, [0])
    with pytest.raises(QueryError, match="a draw by class needs classes, and answers here are 'real'"):
        instance.oracle.answer(StratifiedDraw(np.random.default_rng(0)), 3.0, ledger)


def test_each_seed_divides_the_examples_anew_and_every_example_once(tmp_path):
    data, problem = Made().load(), Regression(Made(), resplit=True)
    every = np.sort(np.concatenate([split.labels for split in (data.pool, data.validation, data.test)]))
    pools = []
    for seed in (0, 1, 0):
        setting = problem.open(Place(tmp_path), Streams(seed))._setting
        parts = (setting.pool, setting.validation, setting.test)
        assert [len(part.labels) for part in parts] == [POOL, VALIDATION, TEST]
        assert np.array_equal(np.sort(np.concatenate([part.labels for part in parts])), every)
        pools.append(setting.pool.labels)
    assert np.array_equal(pools[0], pools[2]) and not np.array_equal(pools[0], pools[1])
    plain = problem.open(Place(tmp_path), Streams(0))._features["pool"].mean(dim=0)
    assert plain.tolist() == pytest.approx([0] * 4, abs=1e-6)  # standardised on the seed's own pool
    with pytest.raises(ValueError, match=r"resplit: data set .* has prices of its pool's examples alone"):
        Regression(Made(prices=True), resplit=True).open(Place(tmp_path), Streams(0))


def test_copies_of_the_pool_stay_in_the_pool_when_examples_are_divided_anew(tmp_path):
    copied = registry("conditions").build({"name": "duplicates", "share": 0.5})
    setting = Regression(Made(), conditions=(copied,), resplit=True).open(Place(tmp_path), Streams(3))._setting
    assert len(np.unique(setting.pool.rows)) == POOL // 2
    assert not set(setting.pool.rows) & {*setting.test.rows, *setting.validation.rows}


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        ({"dataset": "digits"}, "data set 'digits' has classes; it is for the problem 'classification'"),
        ({"dataset": "friedman", "metrics": ["accuracy"]}, "'accuracy' is for problems of classification"),
        ({"dataset": "friedman", "metrics": ["coverage_90", "rmse"]}, "'coverage_90' cannot rank"),
        ({"dataset": "friedman", "metrics": []}, "at least one is needed"),
        (
            {"dataset": "friedman", "conditions": [{"name": "uniform_noise", "rate": 0.1}]},
            "conditions: 'uniform_noise' is for problems of classification, this one is of regression",
        ),
        (
            {"name": "classification", "dataset": "digits", "conditions": [{"name": "value_noise", "level": 1.0}]},
            "conditions: 'value_noise' is for problems of regression, this one is of classification",
        ),
        ({"name": "classification", "dataset": "friedman"}, "has real values; it is for the problem 'regression'"),
    ],
)
def test_what_is_for_another_task_is_refused_with_a_sentence(problem, says):
    with pytest.raises(ValueError, match=says):
        problems.build({"name": "regression", "encoder": "identity", **problem}).capacity()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_labels_that_are_no_numbers_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=f"labels of its pool must be finite, item 2 is {bad}"):
        Regression(Made(odd=(1.0, 2.0, bad))).capacity()


def test_labels_that_are_all_alike_are_refused():
    with pytest.raises(ValueError, match=r"all labels of its pool are .*, there is nothing to learn"):
        Regression(Made(odd=(1.0,) * (POOL + VALIDATION + TEST))).capacity()


def test_trainers_of_classes_are_refused():
    random = registry("strategies").build("random")
    spec = RunSpec(Regression(Made()), trainers.build("logistic_regression"), random, None, (5.0,), 0)
    assert incompatibilities(spec) == [
        "trainer 'logistic_regression' solves classification, but problem 'regression' is regression"
    ]
    margin = registry("strategies").build("margin")
    spec = RunSpec(Regression(Made()), trainers.build("ridge"), margin, random, (5.0, 5.0), 0)
    (reason,) = incompatibilities(spec)
    assert "needs probabilities" in reason and "'ridge' offers embeddings, members, predictions, variance" in reason


SUITE = """\
suite: odd
problems: [{name: regression, dataset: {name: arrays, path: odd.npz}}]
trainers: [ridge]
strategies: [random, k_center]
initial: random
budget: {first: 6, batch: 4, rounds: 3}
seeds: 0..1
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A suite whose pool is eight odd labels and eight ordinary ones."""
    rng = np.random.default_rng(0)
    values = np.array([*ODD, *range(8)], dtype=np.float32)
    arrays = {"pool_inputs": rng.standard_normal((16, 3)), "pool_labels": values}
    for part in ("validation", "test"):
        arrays |= {f"{part}_inputs": rng.standard_normal((6, 3)), f"{part}_labels": np.arange(6, dtype=np.float32)}
    np.savez(tmp_path / "odd.npz", **arrays)
    (tmp_path / "odd.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return load_suite(tmp_path / "odd.yaml"), values


def test_labels_survive_purchase_resume_and_isolation_to_the_bit(odd, tmp_path):
    suite, values = odd
    for spec in suite.runs()[:3]:
        check_resumes(spec, tmp_path / spec.id)
        stores = []
        for isolate in (None, Isolation(kind="process")):
            root = tmp_path / f"isolated {isolate is not None}"
            carry_out(Job.of(spec, Where(root, tmp_path), isolate=isolate), lambda rounds: None)
            stores.append(RunStore(root, spec.id))
        for record, isolated in zip(*(store.rounds() for store in stores), strict=True):
            again = Purchase.from_json(record.purchase.as_json())
            assert again.answers.dtype == np.float32
            assert again.answers.tobytes() == values[again.items].tobytes()
            assert isolated.purchase.as_json() == record.purchase.as_json() and isolated.scores == record.scores


def test_a_run_is_packed_checked_replayed_and_found_out(odd, tmp_path):
    suite, values = odd
    for spec in suite.runs():
        carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path)), lambda rounds: None)
    folder, place = tmp_path / "bundle", Place(tmp_path)
    pack(suite, suite.runs(), tmp_path / "out", folder, **WHO, differences=["of the tests"])
    allowed = Allowed.of({"datasets.arrays.path=odd.npz"})  # a file of whoever sends it, which the checker has
    checked = check(folder, place, allowed=allowed)
    assert not checked.problems and not checked.warnings and len(checked.sound) == 4
    run = next(iter(checked.specs))
    again = replay(checked.runs, checked.specs, Sample(((run, 1),), ((run, 2),), (run,)), place)
    assert not again.findings and again.rerun.keys() == again.replayed.keys() == {run}
    for line in lines_of(folder):
        found = [Purchase.from_json(record["purchase"]) for record in line["rounds"]]
        assert all(each.answers.tobytes() == values[each.items].tobytes() for each in found)
    lines = lines_of(folder)
    for line in lines:
        answers = line["rounds"][1]["purchase"]["answers"]
        answers[0] = float(np.nextafter(np.float32(answers[0]), np.float32(np.inf)))
        chained(line)
    write_lines(folder, lines)
    found_out = check(folder, place, allowed=allowed).problems
    assert any("answers are not the oracle's, for 1 of 4 items" in str(each) for each in found_out)


def test_a_board_says_that_less_is_better_and_in_which_unit(odd, tmp_path):
    suite, _ = odd
    for spec in suite.runs():
        carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path)), lambda rounds: None)
    results = results_of_suite(suite, suite.runs(), tmp_path / "out")
    (setting,) = results.board().settings
    assert (results.meta.metric, results.meta.higher_is_better, setting.unit) == ("rmse", False, "labels")
    page = html.unescape(build_site([results], tmp_path / "site").read_text())
    assert "ranked by rmse, lower is better" in page and "scores: in the label's unit" in page
    write_results(results, tmp_path / "published")
    about = read_results(tmp_path / "published").meta.about(setting.problem)
    assert about.averaged == "rmse_per_sd"


def test_what_is_averaged_over_data_sets_has_no_unit():
    of_ranking = {name: Regression(Made(), metrics=(metrics.build(name),)).averaged_metric() for name in ("mae", "r2")}
    assert of_ranking == {"mae": "mae_per_sd", "r2": ""}


@pytest.mark.parametrize("name", sorted(name for name in metrics.entries() if metrics.load(name).task == "regression"))
def test_metrics_take_labels_of_any_size(name):
    metric = metrics.build(name)
    for size in (5e-324, 1e-300, 1.0, 1e12, 1e150):
        labels = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64) * size
        values = labels.flip(0)
        if metric.reads == "intervals":
            values = torch.stack([values, torch.full_like(values, min(size, 1e100) ** 2)], dim=1)
        assert np.isfinite(metric.score(values, labels)), size


def test_the_error_of_a_certain_model_that_is_wrong_is_large_and_finite():
    metric, labels = metrics.build("gaussian_nll"), torch.arange(10.0)
    sure = torch.stack([labels + 5, torch.zeros(10)], dim=1)
    fair = torch.stack([labels + 5, torch.full((10,), 25.0)], dim=1)
    assert metric.score(fair, labels) == pytest.approx(0.5 * np.log(2 * np.pi * 25) + 0.5)
    assert 1e9 < metric.score(sure, labels) < np.inf


def test_results_can_be_read_without_the_plugins_that_made_them(odd, tmp_path):
    suite, _ = odd
    for spec in suite.runs():
        carry_out(Job.of(spec, Where(tmp_path / "out", tmp_path)), lambda rounds: None)
    pack(suite, suite.runs(), tmp_path / "out", tmp_path / "bundle", **WHO, differences=["of the tests"])
    (setting,) = read_results(tmp_path / "bundle").board().settings
    assert not setting.higher_is_better and setting.n_runs == 4
