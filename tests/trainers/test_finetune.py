import numpy as np
import pytest
import torch
from torch.nn import functional

from labelbench_plus.algorithms.learners.logistic_regression import logistic_regression
from labelbench_plus.budget import Ledger
from labelbench_plus.networks import Task
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers._batches import NetworkInputs, Shuffled
from labelbench_plus.trainers._kept import Keeper, NoCheckpoint
from labelbench_plus.trainers._training import Training, _groups, schedule


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    instance = problem.open(Place(tmp_path_factory.mktemp("cache")), Streams(0))
    ledger = Ledger()
    instance.oracle.answer(torch.arange(100), 100.0, ledger)
    return instance, ledger


def build(name="finetune", **fields):
    defaults = {"network": "linear", "augment": None, "steps": 20, "batch": 32}
    return registry("trainers").build({"name": name, **defaults, **fields})


def fit(digits, trainer):
    instance, ledger = digits
    return trainer.fit(instance.training_data(ledger, with_validation=trainer.uses_validation), Streams(0), None)


def test_enough_steps_come_to_the_convex_optimum(digits):
    """A linear network on features as they are is a logistic regression: AdamW's decay is its penalty."""
    instance, ledger = digits
    data = instance.training_data(ledger, with_validation=False)
    model = fit(digits, build(steps=1500, batch=100, learning_rate=0.02, weight_decay=0.0))
    exact = logistic_regression(data.labelled.features, data.labelled.labels, 10, l2=1e-6)
    loss = functional.nll_loss(model.probabilities(data.labelled.features).log(), data.labelled.labels)
    assert float(loss) == pytest.approx(exact.objective, abs=0.01)


def test_the_schedule_is_a_function_of_the_steps_alone():
    assert schedule(0, 100, 0.1) == pytest.approx(1 / 11)
    assert schedule(10, 100, 0.1) == 1.0
    assert schedule(55, 100, 0.1) == pytest.approx(0.5)
    assert schedule(0, 100, 0.0) == 1.0


def test_every_batch_is_full_and_every_pass_sees_all():
    order = Shuffled(5, np.random.default_rng(0))
    drawn = torch.cat([order.next(7) for _ in range(5)])
    assert len(drawn) == 35
    assert drawn.reshape(7, 5).sort(dim=1).values.tolist() == [[0, 1, 2, 3, 4]] * 7


def test_an_order_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no examples to learn from"):
        Shuffled(0, np.random.default_rng(0)).next(1)


def test_deeper_layers_learn_more_slowly_and_biases_do_not_decay():
    trainer = build(network={"name": "perceptron", "layers": 2, "hidden": 6}, layer_decay=0.5, weight_decay=0.1)
    network = trainer.network.build(Task((4,), 3), torch.Generator().manual_seed(0))
    assert network.depths() == {
        "backbone.0.weight": 2,
        "backbone.0.bias": 2,
        "backbone.2.weight": 1,
        "backbone.2.bias": 1,
        "head.weight": 0,
        "head.bias": 0,
    }
    found = {
        (group["factor"], group["weight_decay"]): sorted(tuple(p.shape) for p in group["params"])
        for group in _groups(network, trainer)
    }
    assert found == {
        (0.25, 0.1): [(6, 4)],
        (0.25, 0.0): [(6,)],
        (0.5, 0.1): [(6, 6)],
        (0.5, 0.0): [(6,)],
        (1.0, 0.1): [(3, 6)],
        (1.0, 0.0): [(3,)],
    }


def test_validation_labels_are_declared_and_the_best_look_is_kept(digits):
    instance, ledger = digits
    assert not build().uses_validation
    trainer = build(patience=2, look_every=1, steps=200, learning_rate=0.5, ema=0.0)
    assert trainer.uses_validation
    data = instance.training_data(ledger, with_validation=True)
    losses = []

    class Spy(type(trainer)):
        def _look(self, training, seen):
            super()._look(training, seen)
            predicted = training.model().probabilities(seen.validation.features)
            losses.append(float(functional.nll_loss(predicted.log(), seen.validation.labels)))

    model = Spy(**{field: getattr(trainer, field) for field in trainer.__dataclass_fields__}).fit(
        data, Streams(0), None
    )
    assert len(losses) < 200  # it stopped
    best = float(functional.nll_loss(model.probabilities(data.validation.features).log(), data.validation.labels))
    assert best == pytest.approx(min(losses), rel=1e-5)
    assert losses.index(min(losses)) == len(losses) - 3  # two looks without a lower loss


def test_a_loss_of_nan_is_never_the_best(digits):
    instance, ledger = digits
    data = instance.training_data(ledger, with_validation=True)
    trainer = build(patience=2)
    features = data.pool_features
    keeper = Keeper.of(trainer, data, Streams(0), NoCheckpoint())
    training = Training(trainer, data, Streams(0), NetworkInputs(trainer, data, Streams(0), strong=False), keeper)
    with torch.no_grad():
        training.network.head.weight.fill_(float("nan"))
        training.average.head.weight.fill_(float("nan"))
    trainer._look(training, data)
    assert training.notes == {"waited": 1}
    assert features.isfinite().all()


def test_the_average_follows_the_weights(digits):
    steady = fit(digits, build(ema=0.999, steps=50))
    last = fit(digits, build(ema=0.0, steps=50))
    assert not torch.equal(steady.network.head.weight, last.network.head.weight)
    assert steady.network.head.weight.norm() < last.network.head.weight.norm()  # it started at zero


def test_lp_ft_starts_at_the_probe(digits):
    """With next to no learning rate the model is the probe, on embeddings shifted and scaled back."""
    instance, ledger = digits
    data = instance.training_data(ledger, with_validation=False)
    moved = ClassificationData(
        Examples(data.labelled.features * 3 + 5, data.labelled.labels, data.labelled.rows),
        data.pool_features * 3 + 5,
        None,
        11,
    )
    trainer = build("lp_ft", l2=0.01, learning_rate=1e-12, steps=1)
    predicted = trainer.fit(moved, Streams(0), None).probabilities(moved.pool_features)
    labelled = moved.labelled.features.double()
    scale = labelled.var(dim=0, correction=0).mean().rsqrt()
    exact = logistic_regression((labelled - labelled.mean(dim=0)) * scale, data.labelled.labels, 11, l2=0.01)
    expected = exact.probabilities((moved.pool_features.double() - labelled.mean(dim=0)) * scale)
    torch.testing.assert_close(
        predicted[:, :10] / predicted[:, :10].sum(dim=1, keepdim=True), expected[:, :10].float(), atol=2e-3, rtol=0
    )
    assert torch.isfinite(predicted).all()  # class 10, of which nothing was bought, has some probability
    assert (predicted[:, 10] > 0).all()


def test_a_network_of_images_learns_and_its_ensemble_offers_members(digits):
    instance, ledger = digits
    augment = {"name": "images", "flip": False, "margin": 0.1}
    member = {"name": "finetune", "network": "small_cnn", "augment": augment, "steps": 120, "learning_rate": 0.01}
    model = fit(digits, registry("trainers").build(member))
    assert instance.evaluate(model)["accuracy"] > 0.7
    ensemble = registry("trainers").build({"name": "ensemble", "of": {**member, "steps": 2}, "members": 2})
    assert ensemble.needs == {"images"}
    view = instance.view(frozenset({"member_probabilities"}), ledger, fit(digits, ensemble), 1.0)
    assert view.member_probabilities.shape == (2, 997, 10)
