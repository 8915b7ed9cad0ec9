import pytest
import torch

from labelbench_plus.plugins import registry
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers._training import schedule


def blobs(n: int, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centers = torch.eye(3, 8) * 4
    return Examples(centers[labels] + torch.randn(n, 8, generator=generator), labels, torch.arange(n))


def fit(n: int = 60, seed: int = 0, **hyperparameters):
    trainer = registry("trainers").build({"name": "mlp", **hyperparameters})
    labelled = blobs(n)
    return trainer.fit(ClassificationData(labelled, labelled.features, None, 4), Streams(seed).round(1), None)


def test_it_learns_and_keeps_its_promises():
    model, test = fit(), blobs(500, seed=1)
    probabilities = model.probabilities(test.features)
    assert (probabilities.argmax(1) == test.labels).double().mean() > 0.95
    torch.testing.assert_close(probabilities.sum(1), torch.ones(500))
    assert model.embeddings(test.features).shape == (500, 128)
    weight, bias = model.layers[-1]
    by_hand = (model.embeddings(test.features) @ weight.T + bias).softmax(1)
    torch.testing.assert_close(probabilities, by_hand)  # the embedding is what the last layer sees


def test_it_is_a_function_of_data_and_streams_alone():
    torch.manual_seed(1)
    first = fit().probabilities(blobs(9).features)
    torch.manual_seed(2)
    assert torch.equal(first, fit().probabilities(blobs(9).features))
    assert not torch.equal(first, fit(seed=1).probabilities(blobs(9).features))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit(steps=5)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65])
def test_every_size_of_label_set_takes_every_step(n):
    assert torch.isfinite(fit(n, steps=30).probabilities(blobs(4).features)).all()


def test_the_schedule_does_not_depend_on_the_budget():
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] < rates[5] < rates[10] == max(rates)
    assert rates[99] < 0.01


def test_depth_and_width():
    model = fit(hidden=16, layers=3, steps=5)
    assert [weight.shape[0] for weight, _ in model.layers] == [16, 16, 16, 4]
