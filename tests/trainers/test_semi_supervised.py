"""The rules on cases small enough to compute by hand; what all methods owe: no hidden label, the same bits again."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from labelbench_plus.budget import Ledger
from labelbench_plus.features import training_inputs as inputs_module
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import ClassificationData, Examples
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers._batches import unlabelled_rows
from labelbench_plus.trainers._kept import signature
from labelbench_plus.trainers.semi_supervised._collapse import counted, told_of
from labelbench_plus.trainers.semi_supervised._fixmatch import FixMatchRule
from labelbench_plus.trainers.semi_supervised._flexmatch import FlexMatchRule
from labelbench_plus.trainers.semi_supervised._freematch import FreeMatchRule
from labelbench_plus.trainers.semi_supervised._pseudo_label import PseudoLabelRule
from labelbench_plus.trainers.semi_supervised._rule import Targets
from labelbench_plus.trainers.semi_supervised._softmatch import SoftMatchRule, gaussian_weights
from labelbench_plus.trainers.semi_supervised._uda import UDARule, annealed_threshold
from labelbench_plus.trainers.semi_supervised._v_pet import Votes

METHODS = ("pseudo_label", "uda", "fixmatch", "flexmatch", "freematch", "softmatch", "v_pet")


def logits(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


THREE = logits([[0.96, 0.03, 0.01], [0.10, 0.80, 0.10], [0.2, 0.3, 0.5]])
ITEMS = torch.tensor([4, 0, 2])


def test_pseudo_label_takes_confident_predictions_and_grows():
    rule = PseudoLabelRule(0.95, ramp=0.4)
    targets = rule.targets(THREE, ITEMS, progress=0.1)
    assert targets.classes.tolist() == [0, 1, 2]
    assert targets.weights.tolist() == pytest.approx([0.25, 0, 0])
    assert rule.targets(THREE, ITEMS, progress=0.8).weights.tolist() == [1, 0, 0]
    assert rule.learns_from_weak


def test_fixmatch_takes_what_reaches_the_threshold():
    targets = FixMatchRule(0.79).targets(THREE, ITEMS, 0.0)
    assert targets.classes.tolist() == [0, 1, 2]
    assert targets.weights.tolist() == [1, 1, 0]


def test_uda_sharpens_and_masks():
    targets = UDARule(0.5, 0.5, None).targets(THREE, ITEMS, 0.0)
    assert targets.classes[1].tolist() == pytest.approx([0.01 / 0.66, 0.64 / 0.66, 0.01 / 0.66])
    assert targets.weights.tolist() == [1, 1, 1]


def test_uda_leaves_out_what_is_already_known():
    rule = UDARule(0.8, 0.4, "linear")
    # At half time the bound of three classes is 0.5 · 2/3 + 1/3 = 2/3.
    weights = rule.labelled_weights(THREE, torch.tensor([0, 0, 2]), progress=0.5)
    assert weights.tolist() == [0, 1, 1]
    for annealing in ("linear", "log", "exp"):
        assert annealed_threshold(annealing, 1.0, 4) == pytest.approx(1, abs=0.006)
    assert annealed_threshold("linear", 0.0, 4) == 0.25
    assert annealed_threshold("log", 0.5, 2) == pytest.approx((1 - math.exp(-2.5)) / 2 + 0.5)
    assert annealed_threshold("exp", 0.5, 2) == pytest.approx(math.exp(-2.5) / 2 + 0.5)


def test_flexmatch_thresholds_follow_what_was_learned():
    rule = FlexMatchRule(0.9, num_classes=3, unlabelled=10)
    assert rule.thresholds().tolist() == [0, 0, 0]  # nobody was predicted yet
    confident = logits([[0.95, 0.03, 0.02]] * 4 + [[0.02, 0.96, 0.02]])
    assert rule.targets(confident, torch.tensor([0, 1, 2, 3, 4]), 0.0).weights.tolist() == [1] * 5
    # 4 and 1 of 10; 5 never predicted, which is the largest count: β = 4/5, 1/5, 0 and M(β) = β / (2 - β).
    assert rule.thresholds().tolist() == pytest.approx([0.9 * 0.8 / 1.2, 0.9 * 0.2 / 1.8, 0])
    weights = rule.targets(logits([[0.55, 0.25, 0.2], [0.3, 0.45, 0.25]]), torch.tensor([8, 9]), 0.0).weights
    assert weights.tolist() == [0, 1]  # 0.55 < 0.6, and 0.45 > 0.1
    # An example changes sides: 3 and 2, of which the largest count is still that of those never predicted.
    rule.targets(logits([[0.02, 0.96, 0.02]]), torch.tensor([0]), 0.0)
    assert rule.counts.tolist() == [3, 2, 0, 5]
    # Twice in a batch: its last place decides, and it counts once.
    rule.targets(logits([[0.98, 0.01, 0.01], [0.01, 0.01, 0.98]]), torch.tensor([7, 7]), 0.0)
    assert rule.counts.tolist() == [3, 2, 1, 4]
    assert rule.counts.sum() == 10


def test_freematch_thresholds_and_fairness():
    rule = FreeMatchRule(decay=0.5, fairness=1.0, num_classes=2).double()
    weak = logits([[0.9, 0.1], [0.7, 0.3]])
    targets = rule.targets(weak, torch.tensor([0, 1]), 0.0)
    # τ = (1/2 + 0.8)/2, p̃ = ((1/2 + 0.8)/2, (1/2 + 0.2)/2), h̃ = ((1/2 + 1)/2, (1/2 + 0)/2)
    assert float(rule.confidence) == pytest.approx(0.65)
    assert rule.expected.tolist() == pytest.approx([0.65, 0.35])
    assert rule.histogram.tolist() == pytest.approx([0.75, 0.25])
    assert rule.thresholds().tolist() == pytest.approx([0.65, 0.35])
    assert targets.weights.tolist() == [1, 1]
    strong = logits([[0.6, 0.4], [0.2, 0.8]])
    ours = np.array([0.65 / 0.75, 0.35 / 0.25])
    theirs = np.array([0.4 / 0.5, 0.6 / 0.5])
    expected = (ours / ours.sum() * np.log(theirs / theirs.sum())).sum()
    assert float(rule.penalty(strong, targets)) == pytest.approx(expected)
    nothing = Targets(targets.classes, torch.zeros(2))
    assert float(rule.penalty(strong, nothing)) == 0.0


def test_softmatch_weighs_by_a_truncated_gaussian():
    rule = SoftMatchRule(decay=0.5, deviations=2.0, uniform_alignment=False, num_classes=2).double()
    weak = logits([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    targets = rule.targets(weak, torch.arange(3), 0.0)
    confidence = np.array([0.9, 0.6, 0.7])
    mean, variance = 0.5 * (0.5 + confidence.mean()), 0.5 * (1 + confidence.var(ddof=1))
    expected = np.where(confidence >= mean, 1, np.exp(-((confidence - mean) ** 2) / (2 * variance / 4)))
    assert targets.weights.tolist() == pytest.approx(expected.tolist())
    assert targets.classes.tolist() == [0, 0, 1]
    assert gaussian_weights(torch.tensor([0.9]), torch.tensor(0.5), torch.tensor(0.01), 2.0).tolist() == [1.0]


def test_softmatch_aligns_for_the_weights_alone():
    rule = SoftMatchRule(decay=0.0, deviations=1.0, uniform_alignment=True, num_classes=2).double()
    targets = rule.targets(logits([[0.9, 0.1], [0.6, 0.4]]), torch.arange(2), 0.0)
    assert targets.classes.tolist() == [0, 0]  # what the model says, though alignment moves the second one over
    aligned = np.array([[0.9 / 0.75, 0.1 / 0.25], [0.6 / 0.75, 0.4 / 0.25]])
    confidence = (aligned / aligned.sum(axis=1, keepdims=True)).max(axis=1)
    assert float(rule.mean) == pytest.approx(confidence.mean())


def test_v_pets_targets_are_the_shares_of_votes():
    rule = Votes(torch.tensor([[0, 1, 2], [0, 2, 2], [0, 2, 1], [1, 2, 1]]))
    targets = rule.targets(THREE, torch.tensor([2, 0, 1]), 0.0)
    assert targets.classes.tolist() == [[0, 0.5, 0.5], [0.75, 0.25, 0], [0, 0.25, 0.75]]
    assert targets.weights.tolist() == [1, 1, 1]
    assert rule.state_dict() == {}  # not kept: a fit that goes on asks the teachers again


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    problem = registry("problems").build(
        {
            "name": "classification",
            "dataset": "digits",
            "encoder": "pixels",
            "conditions": [{"name": "subset", "size": 200}],
        }
    )
    instance = problem.open(Place(tmp_path_factory.mktemp("cache")), Streams(0))
    ledger = Ledger()
    instance.oracle.answer(torch.arange(0, 200, 5), 40.0, ledger)
    return instance, ledger


NETWORKS = {
    "features": {"network": {"name": "perceptron", "hidden": 16}, "augment": {"name": "images", "flip": False}},
    "images": {"network": {"name": "small_cnn", "width": 4}, "augment": {"name": "images", "flip": False}},
    "noise": {"network": "linear", "augment": "noise"},
}


def build(method: str, reads: str = "features", **hyperparameters):
    own = {"teachers": ["logistic_regression", {"name": "mlp", "steps": 5}]} if method == "v_pet" else {}
    return registry("trainers").build(
        {"name": method, "steps": 8, "batch": 16, "ratio": 2, "copies": 2, **NETWORKS[reads], **own, **hyperparameters}
    )


def fit(instance, trainer, ledger, checkpoint=None):
    data = instance.training_data(ledger, with_validation=trainer.uses_validation)
    streams = Streams(3).round(1)
    if checkpoint is None:
        return trainer.fit(data, streams, None)
    return trainer.fit_with_checkpoint(data, streams, None, checkpoint)


def scores(instance, model):
    return instance.evaluate(model)


@pytest.mark.parametrize("reads", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_features_and_on_images_and_repeats_itself(instance, method, reads):
    problem, ledger = instance
    before = torch.random.get_rng_state()
    trainer = build(method, reads)
    model = fit(problem, trainer, ledger)
    assert torch.equal(torch.random.get_rng_state(), before)
    again = fit(problem, trainer, ledger)
    for ours, theirs in zip(model.network.state_dict().values(), again.network.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert set(scores(problem, model)) == {"accuracy", "balanced_accuracy", "macro_f1", "nll", "ece"}
    view = problem.view(frozenset({"probabilities", "embeddings"}), ledger, model, 1.0)
    assert view.probabilities.shape == (160, 10)
    torch.testing.assert_close(view.probabilities.sum(dim=1), torch.ones(160))
    assert len(view.labelled_embeddings) == 40


@pytest.mark.parametrize("method", ["flexmatch", "freematch", "v_pet"])
def test_hidden_labels_decide_nothing(instance, method):
    """Every label that was not bought is replaced by garbage, and so is every validation label: the same bits."""
    problem, ledger = instance
    poisoned = (
        registry("problems")
        .build(
            {
                "name": "classification",
                "dataset": "digits",
                "encoder": "pixels",
                "conditions": [{"name": "subset", "size": 200}],
            }
        )
        .open(problem_place(problem), Streams(0))
    )
    unbought = np.setdiff1d(np.arange(200), ledger.items)
    poisoned.oracle._PoolOracle__labels[unbought] = 0  # behind the oracle's back
    poisoned._validation = replace(poisoned._validation, labels=torch.zeros_like(poisoned._validation.labels))
    trainer = build(method)
    models = [fit(one, trainer, ledger) for one in (problem, poisoned)]
    first, second = (list(model.network.state_dict().values()) for model in models)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))


def problem_place(instance):
    return Place(instance._store.folder)


class Kept:
    """A checkpoint that is due at every step, and stops the training at one of them."""

    def __init__(self, stop_after: int | None) -> None:
        self.content: bytes | None = None
        self.saved, self._stop = 0, stop_after

    def load(self):
        return self.content

    def due(self):
        return True

    def save(self, state):
        self.content, self.saved = state, self.saved + 1
        if self.saved == self._stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("method", "reads"),
    [*[(method, "features") for method in METHODS], ("flexmatch", "images"), ("finetune", "images")],
)
def test_training_goes_on_in_the_middle_to_the_same_bits(instance, method, reads):
    problem, ledger = instance
    own = {"patience": 2, "look_every": 2} if method == "finetune" else {}
    if method == "finetune":
        trainer = registry("trainers").build({"name": method, "steps": 8, "batch": 16, **NETWORKS[reads], **own})
    else:
        trainer = build(method, reads)
    whole = fit(problem, trainer, ledger)
    kept = Kept(stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        fit(problem, trainer, ledger, kept)
    resumed = Kept(stop_after=None)
    resumed.content = kept.content
    model = fit(problem, trainer, ledger, resumed)
    assert resumed.saved <= 4  # the steps left, and the end
    data = problem.training_data(ledger, with_validation=trainer.uses_validation)
    restored = trainer.restore(data, Streams(3).round(1), resumed)
    for other in (model, restored):
        for ours, theirs in zip(whole.network.state_dict().values(), other.network.state_dict().values(), strict=True):
            assert torch.equal(ours, theirs)
    assert trainer.restore(data, Streams(3).round(2), resumed) is None  # another round's
    assert trainer.restore(data, Streams(3).round(1), kept) is None  # not done


def test_a_checkpoint_of_other_labels_is_not_taken_up(instance):
    problem, ledger = instance
    trainer, kept = build("fixmatch"), Kept(stop_after=None)
    fit(problem, trainer, ledger, kept)
    assert "model" in torch.load(io.BytesIO(kept.content), weights_only=True)  # done, and kept as such
    other = Ledger()
    problem.oracle.answer(torch.arange(40), 40.0, other)
    whole = fit(problem, trainer, other)
    model = fit(problem, trainer, other, kept)
    assert torch.equal(whole.network.head.weight, model.network.head.weight)


def test_a_damaged_checkpoint_costs_time_alone(instance, caplog):
    problem, ledger = instance
    trainer, kept = build("fixmatch"), Kept(stop_after=None)
    whole = fit(problem, trainer, ledger, kept)
    kept.content = kept.content[: len(kept.content) // 2]
    model = fit(problem, trainer, ledger, kept)
    assert "cannot be read" in caplog.text
    assert torch.equal(whole.network.head.weight, model.network.head.weight)


def test_a_checkpoint_of_another_kind_of_device_is_not_taken_up(instance):
    """It rounds otherwise, and the state of its generator means nothing here."""
    problem, ledger = instance
    data = problem.training_data(ledger, with_validation=False)
    there = replace(data, pool_features=data.pool_features.to("meta"))
    trainer = build("fixmatch")
    assert signature(trainer, data, Streams(0)) == signature(trainer, data, Streams(0))
    assert signature(trainer, data, Streams(0)) != signature(trainer, there, Streams(0))


def test_copies_that_stay_on_disk_are_the_same_bits(instance, monkeypatch):
    problem, ledger = instance
    whole = fit(problem, build("fixmatch"), ledger)
    monkeypatch.setattr(inputs_module, "IN_MEMORY_BYTES", 0)
    mapped = fit(problem, build("fixmatch"), ledger)
    for ours, theirs in zip(whole.network.state_dict().values(), mapped.network.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    pieces = inputs_module.Copies([torch.arange(6.0).view(3, 2), -torch.arange(6.0).view(3, 2)], torch.device("cpu"))
    assert pieces._whole is None
    assert pieces.at(torch.tensor([1, 0, 1]), torch.tensor([2, 2, 0])).tolist() == [[-4, -5], [4, 5], [0, -1]]


def test_bought_outliers_are_not_learned_from_as_if_nothing_was_known(tmp_path):
    problem = registry("problems").build(
        {
            "name": "classification",
            "dataset": "digits",
            "encoder": "pixels",
            "conditions": [{"name": "out_of_distribution", "classes": [3, 4], "share": 0.3}],
        }
    )
    problem, ledger = problem.open(Place(tmp_path), Streams(0)), Ledger()
    problem.oracle.answer(torch.arange(100), 100.0, ledger)
    data = problem.training_data(ledger, with_validation=False)
    assert len(data.labelled.labels) < 100
    assert unlabelled_rows(data).tolist() == list(range(100, len(data.pool_features)))
    nothing = Ledger()
    outlier = torch.as_tensor(ledger.items[ledger.answers == -1][:3].copy())
    problem.oracle.answer(outlier, 3.0, nothing)
    with pytest.raises(ValueError, match="all 3 items bought are outliers"):
        problem.training_data(nothing, with_validation=False)


@pytest.mark.parametrize("wrapper", ["ensemble", "v_pet"])
def test_trainers_of_trainers_declare_what_theirs_read(instance, wrapper):
    """Validation labels are handed on to the one that stops early, and counted; another task's trainer is refused."""
    problem, ledger = instance
    early = {"name": "finetune", "steps": 3, "patience": 1, "look_every": 1, **NETWORKS["noise"]}

    def made(inner):
        if wrapper == "ensemble":
            return registry("trainers").build({"name": wrapper, "of": inner, "members": 2})
        return build("v_pet", "noise", teachers=["logistic_regression", inner], steps=2)

    assert made(early).uses_validation
    assert not made({**early, "patience": 0}).uses_validation
    assert scores(problem, fit(problem, made(early), ledger))["nll"] > 0
    with pytest.raises(ValidationError, match="'binary_relevance' solves multilabel"):
        made("binary_relevance")


def test_bootstrap_samples_leave_the_rest_unlabelled(instance):
    """A member of an ensemble has some items twice: the numbers of the unlabelled ones are still all in use."""
    problem, ledger = instance
    ensemble = registry("trainers").build(
        {"name": "ensemble", "of": {"name": "flexmatch", "steps": 3, **NETWORKS["noise"]}}
    )
    assert scores(problem, fit(problem, ensemble, ledger))["nll"] > 0


def test_without_unlabelled_examples_it_is_supervised(instance):
    problem, _ = instance
    everything = Ledger()
    problem.oracle.answer(torch.arange(200), 200.0, everything)
    model = fit(problem, build("flexmatch", steps=3), everything)
    assert scores(problem, model)["nll"] > 0
    of_images = {"name": "finetune", "steps": 1, "batch": 4, **NETWORKS["images"]}
    model = fit(problem, build("v_pet", steps=1, teachers=["mlp", of_images]), everything)
    assert scores(problem, model)["nll"] > 0


def test_impossible_inputs_are_named():
    features = torch.randn(20, 4)
    data = ClassificationData(Examples(features, torch.arange(20) % 2, torch.arange(20)), features, None, 2)
    with pytest.raises(ValueError, match="choose 'noise'"):
        build("fixmatch").fit(data, Streams(0), None)
    with pytest.raises(ValueError, match="reads images, of which there are none"):
        build("fixmatch", "images").fit(data, Streams(0), None)
    with pytest.raises(ValidationError, match="changes features, but network 'small_cnn' reads images"):
        build("fixmatch", "images", augment="noise")


def test_unlabelled_examples_help_on_digits(tmp_path):
    """Twenty labels: what FlexMatch gains over the same network, start and steps without the unlabelled rest."""
    problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
    problem = problem.open(Place(tmp_path), Streams(0))
    accuracy: dict[str, list[float]] = {"lp_ft": [], "flexmatch": []}
    for seed in range(3):
        ledger = Ledger()
        problem.oracle.answer(torch.as_tensor(np.random.default_rng(seed).permutation(1000)[:20]), 20.0, ledger)
        for method, values in accuracy.items():
            own = {"name": method, "steps": 200, "learning_rate": 3e-3, "augment": "noise"}
            own |= {"probe": 0.01} if method == "flexmatch" else {"l2": 0.01}
            trainer = registry("trainers").build({**own, "network": "perceptron"})
            values.append(problem.evaluate(fit(problem, trainer, ledger))["accuracy"])
    assert np.mean(accuracy["flexmatch"]) > np.mean(accuracy["lp_ft"]) + 0.03, accuracy


def test_the_loss_is_the_papers(instance, monkeypatch):
    """One step without averaging or decay moves the weights by what the formula says."""
    problem, ledger = instance
    trainer = build("fixmatch", "noise", threshold=0.0, ema=0.0, weight_decay=0.0, steps=1, warmup=0.0)
    data = problem.training_data(ledger, with_validation=False)
    seen = {}
    original = functional.cross_entropy

    def spy(logits, target, **kwargs):
        loss = original(logits, target, **kwargs)
        seen.setdefault("losses", []).append(
            (len(logits), float(loss.detach().mean()), kwargs.get("reduction", "mean"))
        )
        return loss

    monkeypatch.setattr(functional, "cross_entropy", spy)
    trainer.fit(data, Streams(0), None)
    # A head of zeros predicts 1/K everywhere: both losses are log 10, on 16 labelled and 32 unlabelled examples.
    assert [(n, reduction) for n, _, reduction in seen["losses"]] == [(16, "mean"), (32, "none")]
    assert all(loss == pytest.approx(math.log(10)) for _, loss, _ in seen["losses"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("reads", NETWORKS)
def test_a_gpu_learns_the_same_to_rounding(tmp_path, reads):
    """In full precision a few steps agree with the CPU's; in mixed precision they are finite."""
    probabilities = {}
    for device in ("cpu", "cuda"):
        problem = registry("problems").build({"name": "classification", "dataset": "digits", "encoder": "pixels"})
        instance = problem.open(Place(tmp_path, device), Streams(0))
        ledger = Ledger()
        instance.oracle.answer(torch.arange(40), 40.0, ledger)
        model = fit(instance, build("flexmatch", reads, steps=4, mixed_precision=False), ledger)
        probabilities[device] = instance.view(frozenset({"probabilities"}), ledger, model, 1.0).probabilities.cpu()
        mixed = fit(instance, build("flexmatch", reads, steps=4), ledger)
        assert math.isfinite(scores(instance, mixed)["nll"])
    torch.testing.assert_close(probabilities["cuda"], probabilities["cpu"], atol=1e-3, rtol=0)


def many_classes(tmp_path):
    """100 classes far apart, with five labels each, and those that were bought."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((100, 32))
    labels = rng.permutation(np.arange(1400) % 100)
    inputs = (centres[labels] + rng.standard_normal((1400, 32))).astype(np.float32)
    parts = {"pool": slice(0, 1000), "validation": slice(1000, 1200), "test": slice(1200, None)}
    np.savez(
        tmp_path / "many.npz",
        **{f"{part}_inputs": inputs[rows] for part, rows in parts.items()},
        **{f"{part}_labels": labels[rows] for part, rows in parts.items()},
    )
    dataset = {"name": "arrays", "path": str(tmp_path / "many.npz")}
    problem = registry("problems").build({"name": "classification", "dataset": dataset, "encoder": "identity"})
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    bought = np.concatenate([np.flatnonzero(labels[:1000] == number)[:5] for number in range(100)])
    instance.oracle.answer(torch.from_numpy(bought), float(len(bought)), ledger)
    return instance, ledger


@pytest.mark.parametrize("method", ["flexmatch", "freematch", "softmatch"])
def test_short_training_holds_by_default_and_says_so_where_it_collapses(tmp_path, method, caplog):
    problem, ledger = many_classes(tmp_path)
    common = {"name": method, "network": "perceptron", "augment": "noise"}
    for own in ({"steps": 40}, {"steps": 160}, {"steps": 40, "labels_first": 0.0, "probe": 0.01}):
        model = fit(problem, registry("trainers").build({**common, **own}), ledger)
        assert scores(problem, model)["accuracy"] > 0.95, own
        assert model.notes == {} and not caplog.messages
    model = fit(problem, registry("trainers").build({**common, "steps": 40, "labels_first": 0.0}), ledger)
    assert scores(problem, model)["accuracy"] < 0.1
    assert model.notes["largest_class_share"] > 0.8
    assert f"{method}: class" in caplog.text and "training may have collapsed" in caplog.text


def test_labels_alone_come_first(instance):
    """A rule is asked for nothing before its time: what it remembers is of a model that has learned something."""
    trainer = build("flexmatch", steps=8, labels_first=0.5)
    asked: list[float] = []
    wanted = FlexMatchRule.targets

    def noted(self, weak_logits, items, progress):
        asked.append(progress)
        return wanted(self, weak_logits, items, progress)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FlexMatchRule, "targets", noted)
        fit(instance[0], trainer, instance[1])
    assert asked == [0.5, 0.625, 0.75, 0.875]


def test_pseudo_labels_that_hardly_count_are_told():
    labels = torch.arange(10)
    some = counted(Targets(torch.arange(100) % 10, (torch.arange(100) < 4).float()), 10)
    assert told_of(some, labels, "x") == {"pseudo_label_share": pytest.approx(0.04)}
    assert told_of(counted(Targets(torch.arange(100) % 10, torch.ones(100)), 10), labels, "x") == {}
    soft = counted(Targets(torch.eye(10)[torch.zeros(100, dtype=torch.long)], torch.ones(100)), 10)
    assert told_of(soft, labels, "x") == {"largest_class_share": 1.0}
    assert told_of(soft, torch.zeros(10), "x") == {}, "as many as of the labels"
    assert told_of(None, labels, "x") == {}


@pytest.mark.parametrize("method", ["finetune", "fixmatch"])
def test_one_value_a_channel_is_refused_in_words(tmp_path, method):
    rng = np.random.default_rng(0)
    parts = {
        f"{part}_inputs": rng.integers(256, size=(8, 4, 4), dtype=np.uint8) for part in ("pool", "validation", "test")
    }
    labels = {f"{part}_labels": np.arange(8) % 2 for part in ("pool", "validation", "test")}
    np.savez(tmp_path / "tiny.npz", **parts, **labels)
    dataset = {"name": "arrays", "path": str(tmp_path / "tiny.npz")}
    problem = registry("problems").build({"name": "classification", "dataset": dataset, "encoder": "pixels"})
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    instance.oracle.answer(torch.arange(2), 2.0, ledger)
    trainer = {"name": method, "network": {"name": "wide_resnet", "depth": 10, "widen": 1}, "steps": 2, "batch": 1}
    trainer |= {"augment": {"name": "images", "flip": False}} | ({"ratio": 1} if method == "fixmatch" else {})
    with pytest.raises(ValueError, match=r"network 'wide_resnet' normalises over a batch, and 1 input of \(1, 4, 4\)"):
        fit(instance, registry("trainers").build(trainer), ledger)
