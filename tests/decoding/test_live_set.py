"""Policies that are asked token by token: what combiners make of them, what is learned, and how it is judged."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger
from labelbench_plus.combiners import combiners
from labelbench_plus.contracts.policy_sets import Bits, Fit, Pairs
from labelbench_plus.decoding.adapters import Adapter, write_adapter
from labelbench_plus.decoding.live_set import LiveAdapters, shown
from labelbench_plus.plugins import registry
from labelbench_plus.policy_sets import policy_sets
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.allocation import Allocation

NEEDS = frozenset({"distributions", "reference", "parameters"})
SETTINGS = policy_sets.load("adapters").example() | {"name": "adapters"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def opened(cache):
    return policy_sets.build(SETTINGS).open(Place(cache), Streams(0))


@pytest.fixture(scope="module")
def adapters(opened):
    """Two that change much."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2):
        layers = opened.world.untrained(2, generator).layers
        drawn = {name: (a.detach(), torch.randn(b.shape, generator=generator), s) for name, (a, b, s) in layers.items()}
        found.append(Adapter(drawn))
    return found


def answered(opened, adapters, combiner, weights):
    policies = shown(NEEDS, LiveAdapters(opened.world, tuple(adapters), 3), opened.beta)
    return combiners.build(combiner).respond(policies, np.array(weights), Streams(1))


def conditionals(opened, prompt, tokens, adapter=None):
    """(T, V) log-probabilities at every step of a response, by the whole model."""
    from labelbench_plus.decoding.live_world import adapted

    ids = torch.tensor([[*opened.world.prompts[prompt], *tokens]])
    with torch.no_grad(), adapted(opened.world.model, adapter):
        logits = opened.world.model(input_ids=ids).logits[0, len(opened.world.prompts[prompt]) - 1 : -1]
    return torch.log_softmax(logits.double(), dim=-1)


@pytest.mark.parametrize("weights", [(0.3, 0.7), (1.0, 0.0), (1.4, 0.2)])
def test_samples_are_of_the_combined_policy_with_its_divergence(opened, adapters, weights):
    response = answered(opened, adapters, "mod", weights)
    assert response.forwards == np.count_nonzero(weights) + (sum(weights) != 1)
    samples = response.samples
    for row in range(0, len(samples.prompts), 2):
        prompt, tokens = samples.prompts[row], samples.tokens[row].tolist()
        base = conditionals(opened, prompt, tokens)
        ratios = [conditionals(opened, prompt, tokens, adapter) - base for adapter in adapters]
        mixed = torch.log_softmax(base + sum(w * r for w, r in zip(weights, ratios, strict=True)), dim=-1)
        place = [opened.world.vocabulary.index(token) for token in tokens]
        np.testing.assert_allclose(samples.log_probabilities[row], mixed[range(len(place)), place], atol=1e-4)
        np.testing.assert_allclose(samples.kl[row], (mixed.exp() * (mixed - base)).sum(-1), atol=1e-4)


def test_one_policy_a_soup_of_it_and_half_of_it(opened, adapters):
    alone = answered(opened, adapters, "mod", [0, 1]).samples
    soup = answered(opened, adapters, "soup", [0, 1]).samples
    assert np.array_equal(alone.tokens, soup.tokens) and alone.kl.min() > 1e-4
    both = answered(opened, adapters, "soup", [0.5, 0.5]).samples
    assert not np.array_equal(both.kl, alone.kl)
    reference = answered(opened, adapters, "reference", [0.5, 0.5]).samples
    assert np.abs(reference.kl).max() < 1e-9
    none = answered(opened, adapters, "mod", [0, 0]).samples
    assert np.array_equal(none.tokens, reference.tokens)  # the same draws for whoever asks


def test_other_rules_and_what_needs_lists(opened, adapters):
    jsd = answered(opened, adapters, {"name": "mod", "divergence": "jsd", "scope": "token"}, [0.5, 0.5])
    assert jsd.forwards == 3 and np.isfinite(jsd.samples.log_probabilities).all()


def responses_of(opened, samples):
    """Every fourth of them: its prompt, its tokens, and where these stand in the vocabulary."""
    for row in range(0, len(samples.prompts), 4):
        tokens = samples.tokens[row].tolist()
        yield row, samples.prompts[row], tokens, [opened.world.vocabulary.index(token) for token in tokens]


def test_a_mixture_is_of_whole_responses_with_its_divergence(opened, adapters):
    """Its probability of a response is the weighted sum of the policies' probabilities of all of it."""
    weights = np.array([0.3, 0.7])
    response = answered(opened, adapters, "mixture", weights)
    assert response.forwards == 1
    samples = response.samples
    for row, prompt, tokens, place in responses_of(opened, samples):
        steps = range(len(place))
        each = torch.stack([conditionals(opened, prompt, tokens, adapter) for adapter in adapters])
        of_response = each[:, steps, place].cumsum(dim=-1)
        prior = torch.as_tensor(np.log(weights))[:, None]
        whole = (prior + of_response).logsumexp(dim=0)
        np.testing.assert_allclose(samples.log_probabilities[row].cumsum(), whole, atol=1e-3)
        share = prior + torch.nn.functional.pad(of_response[:, :-1], (1, 0))
        mixed = (share.log_softmax(dim=0)[..., None] + each).logsumexp(dim=0)
        base = conditionals(opened, prompt, tokens)
        np.testing.assert_allclose(samples.kl[row], (mixed.exp() * (mixed - base)).sum(-1), atol=1e-4)
    alone = answered(opened, adapters, "mixture", [0, 1]).samples
    assert np.array_equal(alone.tokens, answered(opened, adapters, "mod", [0, 1]).samples.tokens)
    with pytest.raises(ValueError, match="shares that sum to 1"):
        answered(opened, adapters, "mixture", [1.4, 0.2])


def test_the_best_single_policy_is_the_one_that_its_own_answers_promise_most(opened, adapters):
    """What is estimated step by step is what whole responses say, written out: Σ w_j β log π_j/π_ref − β KL."""
    weights, live = np.array([0.2, 0.8]), LiveAdapters(opened.world, tuple(adapters), 3)
    reference, values = LiveAdapters(opened.world, (Adapter({}),), 3), []
    for number in range(2):
        samples = live.sample(lambda step, n=number: step.log_policies[n], Streams(1), reference)
        total = 0.0
        for prompt, tokens in zip(samples.prompts, samples.tokens.tolist(), strict=True):
            base = conditionals(opened, prompt, tokens)
            ratios = [conditionals(opened, prompt, tokens, adapter) - base for adapter in adapters]
            own = ratios[number] + base
            mixed = sum(w * ratio for w, ratio in zip(weights, ratios, strict=True)) - ratios[number]
            total += float((own.exp() * mixed).sum())
        values.append(total / len(samples.prompts))
    best = int(np.argmax(values))
    assert abs(values[0] - values[1]) > 1e-3
    found = answered(opened, adapters, "best_single", weights)
    assert found.forwards == 1
    expected = answered(opened, adapters, "mod", np.eye(2)[best]).samples
    assert np.array_equal(found.samples.tokens, expected.tokens)
    turned = answered(opened, adapters[::-1], "best_single", weights[::-1]).samples
    assert np.array_equal(turned.tokens, found.samples.tokens)


def test_preferences_are_learned_and_a_penalty_holds_back(opened):
    rewards, rng = opened.true_rewards[0], np.random.default_rng(0)
    pairs = opened.pairs(64, rng)
    bits = Bits(pairs, pairs.differences(rewards) > 0)
    learner = opened.learner()
    free, held, none, untold = learner.policies(
        [Fit(bits, 1e-3), Fit(bits, 1e3), Fit(bits, math.inf), Fit(bits.at(np.array([], dtype=int)), 0.1)],
        40,
        Streams(0),
    )
    found = learner.differences([free, held, none, untold], [pairs] * 4, of="policies")
    agreed = (found[0] > 0) == bits.first_won
    assert agreed[pairs.differences(rewards) != 0].mean() > 0.8
    assert np.abs(found[1]).mean() < np.abs(found[0]).mean() / 2
    assert not found[2].any() and not found[3].any()


def test_rewards_are_estimated_from_bits_and_a_policy_is_trained_for_a_sum_of_them(opened):
    rng, learner = np.random.default_rng(0), opened.learner()
    pairs = opened.pairs(200, rng)
    bits = [Bits(pairs, pairs.differences(rewards) > 0) for rewards in opened.true_rewards]
    estimates = learner.rewards([Fit(each, 0.01) for each in bits], 1, Streams(0))
    for found, rewards in zip(estimates, opened.true_rewards, strict=True):
        assert np.abs(found.mean(axis=1)).max() < 1e-9, "nothing is said of how prompts compare"
        right = (pairs.differences(found) > 0) == (pairs.differences(rewards) > 0)
        assert right[pairs.differences(rewards) != 0].mean() > 0.8
    held, none = learner.rewards([Fit(bits[0], 100.0), Fit(bits[0], math.inf)], 1, Streams(0))
    assert 0 < np.abs(held).max() < np.abs(estimates[0]).max() / 10 and not none.any()
    # the penalty is half the variance under the reference: the gradient of the whole objective is nothing
    features = learner.reward_model.features
    u = torch.linalg.lstsq(features.flatten(0, 1), torch.as_tensor(estimates[0]).flatten()[:, None]).solution[:, 0]
    u.requires_grad_()
    values = features @ u
    margins = values[pairs.prompts, pairs.first] - values[pairs.prompts, pairs.second]
    loss = torch.nn.functional.softplus(-margins * torch.as_tensor(np.where(bits[0].first_won, 1.0, -1.0))).mean()
    (loss + 0.01 / 2 * values.var(dim=1, correction=0).mean()).backward()
    assert u.grad.abs().max() < 1e-5
    weights = np.array([0.25, 0.75])
    shown_to = learner.provide(frozenset({"rewards"}), [Adapter({})] * 2, estimates, 60, Streams(0))
    (adapter,) = shown_to.rewards().optimised(weights).adapters
    wanted = np.tensordot(weights, np.stack(estimates), axes=1)

    def missed(ratios):
        return float((ratios - wanted).var(axis=1).mean())

    assert missed(learner.log_ratios(adapter)) < 0.7 * missed(np.zeros_like(wanted))
    answer = combiners.build("retrain").respond(shown_to, weights, Streams(1))
    assert answer.training_runs == 1 and answer.samples.kl.sum() > 0
    assert not learner.tilted(np.zeros_like(wanted), 5, Streams(0)).layers


def test_what_the_reference_says_is_drawn_once(opened, cache, monkeypatch):
    """Opened again it comes from the cache, to the same bits; other draws and other words are drawn."""
    from labelbench_plus.decoding.live_world import LiveWorld

    calls = []
    drawn = LiveWorld.drawn
    monkeypatch.setattr(LiveWorld, "drawn", lambda self, *args: calls.append(1) or drawn(self, *args))
    again = policy_sets.build(SETTINGS).open(Place(cache), Streams(0))
    assert not calls
    for name in ("tokens", "log_reference"):
        assert torch.equal(getattr(again.pool, name), getattr(opened.pool, name)), name
    assert torch.equal(again.pool.trunk.states, opened.pool.trunk.states)
    assert torch.equal(again.pool.trunk.starts, opened.pool.trunk.starts)
    assert np.array_equal(again.true_rewards, opened.true_rewards)
    policy_sets.build(SETTINGS).open(Place(cache), Streams(1))
    assert len(calls) == 1
    monkeypatch.setattr("labelbench_plus.decoding.live_pool.KEPT_BYTES", 0)
    large = policy_sets.build(SETTINGS | {"last": 60}).open(Place(cache), Streams(0))
    without = policy_sets.build(SETTINGS | {"last": 60}).open(Place(cache), Streams(0))
    assert len(calls) == 2 and torch.equal(large.pool.trunk.states, without.pool.trunk.states)


def test_the_rivals_stand_on_a_live_board_too(tmp_path):
    """The problem `objectives` on a live model, under every combiner that answers there."""
    problem = registry("problems").build({"name": "objectives", "policies": SETTINGS, "grid": 3})
    instance, ledger = problem.open(Place(tmp_path), Streams(0)), Ledger()
    instance.oracle.answer(Allocation.of_counts(np.array([12, 12])), 24.0, ledger)
    for combiner, runs in (("mixture", 2), ("best_single", 2), ("retrain", 2 + 3)):
        trainer = registry("trainers").build(
            {"name": "preference_policies", "combiner": combiner, "penalties": [0.1], "folds": 2, "steps": 2}
        )
        model = trainer.fit(instance.training_data(ledger, with_validation=False), Streams(0), None)
        found = instance.evaluate(model)
        assert found["training_runs"] == runs and math.isfinite(found["regret"]), combiner


def test_what_is_best_and_the_reference_are_sums_over_the_pool(opened):
    weights = np.array([0.4, 0.6])
    wanted = np.tensordot(weights, opened.true_rewards, axes=1)
    best, reference = opened.best(weights), opened.reference(weights)
    assert best.value == pytest.approx(opened.beta * np.log(np.exp(wanted / opened.beta).mean(axis=1)).mean())
    assert reference.kl == pytest.approx(0, abs=1e-12) and reference.value == pytest.approx(wanted.mean())
    np.testing.assert_allclose(opened.true_rewards.reshape(2, -1).std(axis=1), 2)


def test_objectives_run_on_it(opened, cache):
    problem = registry("problems").build({"name": "objectives", "policies": SETTINGS, "grid": 3, "world_seed": 0})
    instance, ledger = problem.open(Place(cache), Streams(0)), Ledger()
    strategy = registry("strategies").build("uniform_sources")
    view = instance.view(strategy.needs, ledger, None, 20.0)
    instance.oracle.answer(strategy.select(view, 20, np.random.default_rng(0)), 20.0, ledger)
    trainer = registry("trainers").build(
        {"name": "preference_policies", "penalties": [0.05], "folds": 2, "steps": 3, "combiner": "mod"}
    )
    scores = [
        instance.evaluate(trainer.fit(instance.training_data(ledger, with_validation=False), Streams(0), None))
        for _ in range(2)
    ]
    assert scores[0] == scores[1] and scores[0]["kl"] > 0


def test_adapters_that_come_with_it(opened, adapters, tmp_path):
    with pytest.raises(ValueError, match="name their folders"):
        _ = opened.given
    for number, adapter in enumerate(adapters):
        write_adapter(adapter, tmp_path / str(number), "tiny")
    folders = [str(tmp_path / str(number)) for number in range(2)]
    with_folders = policy_sets.build(SETTINGS | {"folders": folders})
    assert with_folders.fingerprint() != policy_sets.build(SETTINGS).fingerprint()
    again = with_folders.open(Place(tmp_path), Streams(0))
    pairs = Pairs(np.array([0, 1]), np.array([0, 2]), np.array([1, 3]))
    learner = opened.learner()
    expected = [opened.beta * each for each in learner.differences(adapters, [pairs] * 2, of="policies")]
    np.testing.assert_allclose(again.implicit_rewards(pairs), expected, atol=1e-6)
    assert len(again.given.policies(NEEDS).distributions()) == 2
    with pytest.raises(ValueError, match="expected 2, one per reward"):
        policy_sets.build(SETTINGS | {"folders": folders[:1]})


def written(folder, lines):
    folder.write_text("".join(json.dumps({"prompt": line, "answer": "-"}) + "\n" for line in lines))
    return {"name": "json_lines", "path": str(folder)}


def reward_model(folder, labels=1):
    """A random one with the tiny base's tokenizer."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = registry("bases").build(SETTINGS["base"]).tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=labels,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def without(*names):
    return {name: value for name, value in SETTINGS.items() if name not in names}


def test_prompts_of_a_file_and_a_reward_model(tmp_path):
    said = ["a dog", "one cat", "some very old bird", "it", "a day", "the night of that long day"]
    model = reward_model(tmp_path / "kind")
    settings = without("prompts") | {
        "rewards": ["plain"],
        "source": written(tmp_path / "said.jsonl", said),
        "longest": 20,
        "reward_models": ["our/kind"],
        "reward_folders": [str(model)],
    }
    plugin = policy_sets.build(settings)
    assert plugin.objectives() == ("plain", "kind")
    opened = plugin.open(Place(tmp_path), Streams(0))
    tokenizer, pool = registry("bases").build(SETTINGS["base"]).tokenizer(), opened.pool
    asked = [tokenizer.decode(ids, skip_special_tokens=True) for ids in opened.world.prompts]
    assert len({len(ids) for ids in opened.world.prompts}) > 1 and set(asked) < set(said)
    assert max(map(len, opened.world.prompts)) <= 20

    from transformers import AutoModelForSequenceClassification

    alone = AutoModelForSequenceClassification.from_pretrained(model).eval()
    texts, known = opened.world.texts(pool.tokens), []
    for number, text in enumerate(texts):
        read = tokenizer(asked[number // pool.tokens.shape[1]], text, return_tensors="pt")
        known.append(float(alone(**read).logits.detach()))
    known = 2 * (np.array(known) - np.mean(known)) / np.std(known)
    np.testing.assert_allclose(opened.true_rewards[1].reshape(-1), known, atol=1e-3)

    zero = answered(opened, [Adapter({})] * 2, "mod", [0.5, 0.5])
    outcome = opened.outcome(zero, np.array([0, 1]))
    assert outcome.kl == pytest.approx(0, abs=1e-9) and outcome.value == pytest.approx(outcome.rewards[1])
    others = settings | {"source": written(tmp_path / "others.jsonl", said[1:])}
    assert policy_sets.build(others).fingerprint() != plugin.fingerprint()


def test_greedy_responses_are_the_likeliest(opened, adapters):
    live = LiveAdapters(opened.world, tuple(adapters), 1, greedy=True)
    samples = combiners.build("mod").respond(shown(NEEDS, live, opened.beta), np.array([0.0, 1.0]), Streams(1)).samples
    for prompt, tokens in zip(samples.prompts, samples.tokens.tolist(), strict=True):
        likeliest = conditionals(opened, prompt, tokens, adapters[1]).argmax(dim=-1)
        assert [opened.world.vocabulary[place] for place in likeliest] == tokens


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": ["plain"]}, "expected two or more together, got ['plain']"),
        ({"reward_models": ["a/plain"]}, "expected different ones"),
        ({"reward_models": ["kind"], "reward_folders": ["a", "b"]}, "reward_folders: expected 1, one per model, got 2"),
        ({"reward_models": ["a:b"]}, "expected a name of letters"),
        ({"longest": 4}, "leaves out prompts of a source"),
        ({"source": {"name": "json_lines", "path": "unused"}}, "either texts or a source, got both"),
        ({"greedy": True}, "samples must be 1, got 2"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        policy_sets.build(SETTINGS | changes)


def test_what_is_no_reward_model_is_refused(tmp_path):
    here = Place(tmp_path)
    settings = SETTINGS | {"reward_models": ["kind"], "reward_folders": [str(tmp_path / "none")]}
    with pytest.raises(FileNotFoundError, match=r"no model in .*none.*reward_folders, one per model"):
        policy_sets.build(settings).fingerprint()
    reward_model(tmp_path / "none", labels=3)
    with pytest.raises(ValueError, match="'kind': expected one label, got 3"):
        policy_sets.build(settings).open(here, Streams(0))


def test_prompts_of_a_source_that_cannot_be_said_are_refused(tmp_path):
    here, lines = Place(tmp_path), ["long one", "long two", "long three"]
    settings = without("prompts") | {"source": written(tmp_path / "said", lines)}
    with pytest.raises(ValueError, match="all 2 prompts of the source have more than 3 tokens"):
        policy_sets.build(settings | {"longest": 3}).open(here, Streams(0))
    turns = [{"role": "system", "content": "Hi"}, {"role": "user", "content": "Ho"}]
    settings = without("prompts") | {"source": written(tmp_path / "turns", [turns] * 3)}
    with pytest.raises(ValueError, match="prompts that are texts, got a conversation of 2 turns"):
        policy_sets.build(settings).open(here, Streams(0))
