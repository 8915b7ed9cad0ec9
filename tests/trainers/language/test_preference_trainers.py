"""Trainers of preferences: losses, what is dropped, what stays as it was, and going on after an interruption."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.comparables import DrawnBlock
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.preference_data import PreferenceData
from labelbench_plus.language.rewards import Implicit, Proxy
from labelbench_plus.language.seed_policy import SeedPolicy
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._body import _beside, _Loss, _texts
from labelbench_plus.trainers.language._dpo import Pair, PairBatches, best_against_worst, of_judged
from labelbench_plus.trainers.language._proxy import _fitted, _lesson
from tests.language.tiny import PLAIN, tiny
from tests.trainers.language.test_sft import Kept, same

PROMPTS = [f"say {word}" for word in ("so", "no", "yes", "well", "hm")]
JUDGED = (
    *(Judged(PROMPTS[row], (text,), float(text.count("a"))) for row, text in enumerate(("aa", "b", "ba", "c", "aaa"))),
    Judged(PROMPTS[0], ("bb",), 0.0),
    Judged(PROMPTS[1], ("xa",), 1.0),
    Judged(PROMPTS[1], ("y",), 0.0),
)
PAIRED = (
    Judged(PROMPTS[0], ("aa", "bb"), -1.0),
    Judged(PROMPTS[1], ("b", "xa"), 1.0),
    Judged(PROMPTS[2], ("c", "d"), 0.0),
)
SMALL = {"steps": 4, "batch": 2, "rank": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    cache: Path = tmp_path_factory.mktemp("candidates")
    policy = SeedPolicy(tiny().plugin, PLAIN, None, (), Streams(0), cache, "cpu")
    decoding = Decoding(6, temperature=1.0)
    block = DrawnBlock("candidates", PROMPTS, 3, "score", decoding, policy, Streams(0).rng, cache)
    shown = (Demonstration("up", "down"), Demonstration("hot", "cold"))
    truth = [Judged(prompt, (text,), len(text)) for prompt in PROMPTS for text in ("x", "yy", "zzz")]
    return PreferenceData(policy.base, PLAIN, "score", JUDGED, block, decoding, (), shown, lambda: truth)


def built(name, **fields):
    return trainers.build({"name": name, **({} if name == "best_of_k" else SMALL), **fields})


PAIRS = [Pair("say so", "aa", "bb"), Pair("say no", "long better", "w"), Pair("hm", "x", "yyyy")]
LOSSES = [
    {},
    {"sft": 0.0},
    {"loss": "ipo", "beta": 1.0},
    {"loss": "kto", "at_once": 6},
    {"tune": "full"},
    {"layers": 1},
]


@pytest.mark.parametrize("fields", LOSSES)
def test_the_loss_begins_at_ln_2_and_its_gradient_is_that_of_differences(data, fields):
    trainer = built("direct_dpo", batch=3, **{"at_once": 6, **fields})
    batches, base = PairBatches(trainer, data, PAIRS), data.base
    tokens = sum(len(pair.better) + 2 for pair in PAIRS)  # " …" and the end
    generator = torch.Generator().manual_seed(0)
    adapter = Adapter.drawn(base, 2, 4.0, generator, fields.get("layers"))

    def loss() -> torch.Tensor:
        with base.computing(), adapter.worn(base) as model:
            return batches.losses(model, [0, 1, 2], 3, tokens)[0]

    start = float(loss())
    said = LanguageModel(base, PLAIN)
    nll = -said.log_probabilities([p.prompt for p in PAIRS], [p.better for p in PAIRS]).sum() / tokens
    first = {"sigmoid": math.log(2), "ipo": 1 / (2 * trainer.beta) ** 2, "kto": 1.0}[trainer.loss]
    assert start == pytest.approx(first + trainer.sft * float(nll), abs=1e-3)
    name = next(iter(adapter.weights))
    second = adapter.weights[name][1].requires_grad_()
    loss().backward()
    direction = torch.randn(second.shape, generator=generator)
    expected = float((second.grad * direction).sum())
    with torch.no_grad():
        second += 1e-2 * direction
        up = float(loss())
        second -= 2e-2 * direction
        down = float(loss())
    assert (up - down) / 2e-2 == pytest.approx(expected, rel=0.02, abs=2e-4)


def test_equal_scores_are_dropped_and_counted():
    found = of_judged(JUDGED)
    assert [(pair.better, pair.worse) for pair in found.pairs] == [("aa", "bb"), ("xa", "b"), ("xa", "y")]
    assert found.ties == 1  # "b" and "y" have no a
    compared = of_judged(PAIRED)
    assert [(pair.better, pair.worse) for pair in compared.pairs] == [("aa", "bb"), ("xa", "b")]
    assert compared.ties == 1
    alike = best_against_worst(
        ["p", "q", "r"], [["a", "b"], ["c", "c"], ["d", "e"]], np.array([[1, 2], [1, 2], [3, 3]])
    )
    assert [(pair.better, pair.worse) for pair in alike.pairs] == [("b", "a")] and alike.ties == 2


BODY = {"steps": 3, "batch": 2, "rank": 2, "learning_rate": 0.01}
WAYS = [
    ("direct_dpo", {}, 3),
    ("proxy_dpo", {}, 3),
    ("spin", {}, 3),
    ("self_score", {}, 3),
    ("oracle_dpo", {}, 3),
    ("proxy_dpo", {"body": BODY}, 3),  # in the middle of the body's training
    ("proxy_dpo", {"body": BODY}, 6),  # in the middle of the policy's
    ("proxy_dpo", {"body": {**BODY, "layers": 1}, "head": "ordinal"}, 2),
]


@pytest.mark.parametrize(("name", "fields", "lives"), WAYS)
def test_a_killed_training_goes_on_to_the_same_bits(data, name, fields, lives):
    trainer, streams = built(name, **fields), Streams(1).round(0)
    whole = trainer.fit(data, streams, None)
    kept = Kept(lives=lives)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit_with_checkpoint(data, streams, None, kept)
    kept.lives = 10**9
    resumed = trainer.fit_with_checkpoint(data, streams, None, kept)
    assert same(whole, resumed) and whole.notes == resumed.notes
    restored = trainer.restore(data, streams, kept)
    asked = [each.asked for each in JUDGED]
    assert same(whole, restored) and torch.equal(whole.predictions(asked), restored.predictions(asked))
    other = dataclasses.replace(data, bought=JUDGED[1:])
    assert trainer.restore(other, streams, kept) is None


@pytest.mark.parametrize("name", ["direct_dpo", "proxy_dpo"])
def test_saved_models_have_their_opinions(data, name, tmp_path):
    trainer = built(name)
    model = trainer.fit(data, Streams(0), None)
    trainer.save_model(model, tmp_path)
    asked = [each.asked for each in JUDGED]
    assert torch.allclose(trainer.load_model(tmp_path).predictions(asked), model.predictions(asked))


def test_the_reference_is_left_as_it_was(data):
    before = [parameter.clone() for parameter in data.base.model.parameters()]
    model = built("direct_dpo", learning_rate=0.05).fit(data, Streams(0), None)
    assert all(torch.equal(a, b) for a, b in zip(before, data.base.model.parameters(), strict=True))
    assert model.reference_kl([PROMPTS[0]], ["aa"]) != 0


def test_dpo_learns_what_is_better(data):
    model = built("direct_dpo", steps=30, learning_rate=0.03).fit(data, Streams(0), None)
    assert model.notes["margin"] > 1 and model.notes["loss"] > 0
    said = dataclasses.replace(JUDGED[0], responses=("bb", "aa")).asked
    assert float(model.predictions([said])) > 0  # the second is better
    assert model.notes["pairs"] == 3 and model.notes["ties"] == 1 and model.notes["steps"] == 30


@pytest.mark.parametrize("head", ["auto", "ridge", "ordinal", "bradley_terry"])
def test_a_proxy_orders_what_it_was_taught(data, head):
    model = built("best_of_k", head=head, l2=1e-4).fit(data, Streams(0), None)
    asked = [each.asked for each in JUDGED]
    found = model.predictions(asked)
    if head in ("auto", "ridge", "ordinal"):
        assert found[0] > found[1] and found[4] > found[3]
    assert found[0] > found[5] and found[6] > found[7]  # of one prompt each
    differences = model.predictions([dataclasses.replace(each, responses=each.responses * 2).asked for each in JUDGED])
    assert not differences.any()


def test_proxies_of_pairs(data):
    paired = dataclasses.replace(data, wants="pair", bought=PAIRED)
    model = built("proxy_dpo", l2=1e-3).fit(paired, Streams(0), None)
    found = model.predictions([each.asked for each in PAIRED])
    assert found[0] < 0 < found[1] and isinstance(model.reward, Proxy)
    assert model.embeddings([each.asked for each in PAIRED]).shape == (3, 2 * data.base.width)
    with pytest.raises(ValueError, match="'ridge' learns from scores"):
        built("proxy_dpo", head="ridge").fit(paired, Streams(0), None)


@pytest.mark.parametrize(("wants", "head"), [("pair", "auto"), ("score", "ridge"), ("score", "ordinal")])
def test_a_body_that_takes_no_step_is_the_frozen_one(data, wants, head):
    given = data if wants == "score" else dataclasses.replace(data, wants="pair", bought=PAIRED)
    frozen = built("best_of_k", head=head).fit(given, Streams(0), None)
    unmoved = built("best_of_k", head=head, body={"steps": 0}).fit(given, Streams(0), None)
    asked = [each.asked for each in given.bought]
    assert torch.allclose(unmoved.predictions(asked), frozen.predictions(asked), atol=1e-4)
    assert unmoved.reward.body is not None and unmoved.notes["proxy_steps"] == 0


@pytest.mark.parametrize("head", ["bradley_terry", "ridge", "ordinal"])
def test_a_body_learns_and_is_the_proxys_alone(data, head, tmp_path):
    def fitted(**body):
        return built("proxy_dpo", head=head, l2=0.5, steps=0, body={**BODY, "batch": 8, "learning_rate": 1e-3, **body})

    begun, trainer = fitted(steps=1).fit(data, Streams(0), None), fitted(steps=12)
    moved = trainer.fit(data, Streams(0), None)
    assert moved.notes["proxy_loss"] < 0.7 * begun.notes["proxy_loss"]
    asked = [each.asked for each in JUDGED]
    found = moved.predictions(asked)
    assert found[0] > found[5] and found[6] > found[7]  # of one prompt each
    frozen = built("proxy_dpo", head=head, steps=0).fit(data, Streams(0), None)
    assert not torch.allclose(moved.embeddings(asked), frozen.embeddings(asked), atol=1e-3)
    assert moved.reference_kl(PROMPTS, ["x"] * 5) == 0 and moved.learned is None
    trainer.save_model(moved, tmp_path)
    assert torch.allclose(trainer.load_model(tmp_path).predictions(asked), found, atol=1e-5)


@pytest.mark.parametrize(("wants", "head"), [("pair", "bradley_terry"), ("score", "ridge"), ("score", "ordinal")])
def test_gradients_of_a_body_are_those_of_differences(data, wants, head):
    lesson = _lesson(PAIRED if wants == "pair" else JUDGED, head)
    model, base = LanguageModel(data.base, PLAIN), data.base
    every = data.candidates.states[:, :2].reshape(15, -1).astype(np.float64)
    start = _fitted(model, lesson, every, 0.5)
    texts = _texts(data, lesson.judged)
    beside = [torch.tensor(start.weights, dtype=torch.float32), *_beside(lesson, torch.device("cpu"))]
    loss = _Loss(lesson, start, texts, 2 if wants == "pair" else 1, beside, None)
    adapter = Adapter.drawn(base, 2, 4.0, torch.Generator().manual_seed(0))
    learned = [next(iter(adapter.weights.values()))[1], *beside]
    for tensor in learned:
        tensor.requires_grad_()

    def value():
        with base.computing(), adapter.worn(base) as worn:
            return loss.of(worn, list(range(len(lesson.judged)))).mean()

    value().backward()
    generator = torch.Generator().manual_seed(1)
    for tensor in learned:
        direction = torch.randn(tensor.shape, generator=generator)
        with torch.no_grad():
            tensor += 1e-2 * direction
            up = float(value())
            tensor -= 2e-2 * direction
            down = float(value())
            tensor += 1e-2 * direction
        assert (up - down) / 2e-2 == pytest.approx(float((tensor.grad * direction).sum()), rel=0.02, abs=2e-4)


def test_nothing_judged_leaves_the_policy_as_it_is(data):
    nothing = dataclasses.replace(data, bought=())
    for name, fields in (("direct_dpo", {}), ("proxy_dpo", {}), ("best_of_k", {}), ("proxy_dpo", {"body": BODY})):
        model = built(name, **fields).fit(nothing, Streams(0), None)
        assert model.reference_kl(PROMPTS, ["x"] * 5) == 0
        assert not model.predictions([each.asked for each in JUDGED]).any()


def test_what_reads_no_judgement(data):
    for name in ("spin", "self_score"):
        one, other = (
            built(name).fit(dataclasses.replace(data, bought=bought), Streams(0), None) for bought in (JUDGED, ())
        )
        assert same(one, other)
    assert one.notes["pairs"] + one.notes["ties"] == len(PROMPTS)


def test_bounds_read_everything(data):
    model = built("oracle_dpo").fit(data, Streams(0), None)
    assert model.notes["pairs"] + model.notes["ties"] == len(PROMPTS)


def test_bounds_need_to_be_told(data):
    with pytest.raises(ValueError, match="tells_all"):
        built("oracle_dpo").fit(dataclasses.replace(data, truth=None), Streams(0), None)


def test_the_best_of_some_is_one_of_them_and_the_reward_decides(data):
    decoding, generators = Decoding(6, temperature=1.0), lambda: [np.random.default_rng(row) for row in range(5)]
    model = built("best_of_k", k=3, l2=1e-3).fit(data, Streams(0), None)
    best = model.generate(PROMPTS, decoding, generators()).texts
    plain = LanguageModel(data.base, PLAIN)
    first = plain.generate(PROMPTS, decoding, generators()).texts
    more = [
        plain.generate(PROMPTS, decoding, [each.spawn(2)[place] for each in generators()]).texts for place in range(2)
    ]
    for prompt, said, *drawn in zip(PROMPTS, best, first, *more, strict=True):
        asked = [Judged(prompt, (text,), 0.0).asked for text in drawn]
        assert said == drawn[int(model.predictions(asked).argmax())]
    assert model.reference_kl(PROMPTS, best) == pytest.approx(math.log(3) - 2 / 3)


def test_implicit_rewards_are_what_was_gained(data):
    model = built("direct_dpo", learning_rate=0.05).fit(data, Streams(0), None)
    plain = LanguageModel(data.base, PLAIN)
    gained = model.log_probabilities(["say so"], ["aa"]) - plain.log_probabilities(["say so"], ["aa"])
    found = Implicit(0.3).rewards(model, [Judged("say so", ("aa",), 0).asked])
    assert found.item() == pytest.approx(0.3 * gained.item())


def test_losses_that_cannot_be_computed_are_refused():
    with pytest.raises(ValidationError, match="at_once must be at least 32"):
        built("direct_dpo", loss="kto", batch=16)
    with pytest.raises(ValidationError, match="at least 2"):
        built("direct_dpo", at_once=1)
