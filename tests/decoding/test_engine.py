"""Models that answer together say what they say one by one, without a cache, in double precision."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.decoding.engine import decode
from labelbench_plus.decoding.policies import restrict_head
from labelbench_plus.decoding.processor import CombinedScores
from labelbench_plus.decoding.rule import Rule
from labelbench_plus.decoding.separate import SeparatePolicies
from tests.decoding.tiny import PROMPTS, WIDTH, gpt2, llama, said, written_out

ALPHA = divergence("alpha", 0.5)
RULES = {
    "reverse": Rule(),
    "forward": Rule(divergence("forward_kl")),
    "dropped": Rule(divergence("forward_kl"), normaliser="drop"),
    "jsd": Rule(divergence("jsd")),
    "alpha on sequences": Rule(ALPHA, scope="sequence"),
    "jeffreys": Rule(divergence("jeffreys"), normaliser="drop"),
}


@pytest.fixture(scope="module")
def models():
    return [llama(1), llama(2), llama(3)]


@pytest.fixture(scope="module")
def reference():
    return llama(4)


@pytest.fixture(scope="module")
def policies(models, reference):
    return SeparatePolicies(models, WIDTH, reference=reference)


def counted(model, calls):
    return model.register_forward_hook(lambda *_: calls.append(1))


@pytest.mark.parametrize("name", RULES)
def test_says_what_is_said_one_by_one(models, reference, policies, name):
    weights, rule = (0.5, 0.2, 0.3), RULES[name]
    (found,) = decode(policies, PROMPTS, [weights], max_new_tokens=6, ending=[2, 7], rule=rule)
    for ending in (2, 7):
        expected = written_out(models, PROMPTS, weights, rule, 6, ending, reference)
        for row, tokens in enumerate(expected):
            cut = [token in (2, 7) for token in tokens]
            assert said(found)[row] == (tokens[: cut.index(True)] if any(cut) else tokens)


def test_models_of_other_kinds_answer_together(models):
    pair = [models[0], gpt2(5)]
    (found,) = decode(SeparatePolicies(pair, WIDTH), PROMPTS, [(0.4, 0.6)], max_new_tokens=5)
    assert said(found) == written_out(pair, PROMPTS, (0.4, 0.6), Rule(), 5, None)


def test_signed_weights_and_strength(models, reference, policies):
    for weights in ((1.5, -0.5, 0.0), (1.7, 0.0, 0.0), (0.0, 0.0, 0.0)):
        (found,) = decode(policies, PROMPTS, [weights], max_new_tokens=4)
        assert said(found) == written_out(models, PROMPTS, weights, Rule(), 4, None, reference)
    assert said(found) == said(decode(SeparatePolicies([reference], WIDTH), PROMPTS, [(1,)], max_new_tokens=4)[0])


def test_one_policy_alone_is_that_model_and_nobody_else_runs(models, reference):
    calls = [[], [], [], []]
    hooks = [counted(model, each) for model, each in zip([*models, reference], calls, strict=True)]
    everybody = SeparatePolicies(models, WIDTH, reference=reference)
    (found,) = decode(everybody, PROMPTS, [(0, 1, 0)], max_new_tokens=5)
    for hook in hooks:
        hook.remove()
    assert [len(each) for each in calls] == [0, 5, 0, 0] and found.forwards == 1
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor([prompt])
        alone = models[1].generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False, eos_token_id=None
        )
        assert said(found)[row] == tuple(alone[0, len(prompt) :].tolist())


@pytest.mark.parametrize("name", RULES)
def test_a_constant_added_to_logits_changes_nothing(models, reference, name):
    def shifted(model, constant):
        other = copy.deepcopy(model)
        other.lm_head.bias = torch.nn.Parameter(torch.full((WIDTH,), constant, dtype=torch.float64))
        return other

    moved = SeparatePolicies(
        [shifted(model, 3.0 * i - 5) for i, model in enumerate(models)], WIDTH, reference=shifted(reference, 7.0)
    )
    plain = SeparatePolicies(models, WIDTH, reference=reference)
    weights = [(0.5, 0.2, 0.3)]
    one, other = (
        decode(each, PROMPTS, weights, max_new_tokens=5, rule=RULES[name], kl=True)[0] for each in (plain, moved)
    )
    assert said(one) == said(other)
    np.testing.assert_allclose(one.log_probabilities, other.log_probabilities, atol=1e-9)
    np.testing.assert_allclose(one.kl, other.kl, atol=1e-9)


def test_equal_models_are_one_and_order_makes_no_difference(models):
    (one,) = decode(SeparatePolicies(models[:1], WIDTH), PROMPTS, [(1,)], max_new_tokens=5)
    (two,) = decode(SeparatePolicies([models[0]] * 2, WIDTH), PROMPTS, [(0.3, 0.7)], max_new_tokens=5)
    assert said(one) == said(two)
    (forth,) = decode(SeparatePolicies(models[:2], WIDTH), PROMPTS, [(0.3, 0.7)], max_new_tokens=5)
    (back,) = decode(SeparatePolicies(models[1::-1], WIDTH), PROMPTS, [(0.7, 0.3)], max_new_tokens=5)
    assert said(forth) == said(back)


def test_a_sweep_reads_each_prompt_once(models, policies):
    weightings = [(i / 10, 1 - i / 10, 0) for i in range(11)]
    lengths = []
    hook = models[0].register_forward_pre_hook(
        lambda _m, _a, kw: lengths.append(kw["input_ids"].shape[1]), with_kwargs=True
    )
    found = decode(policies, PROMPTS, weightings, max_new_tokens=3)
    hook.remove()
    assert lengths.count(5) == 1 and set(lengths) == {5, 1}  # the longest prompt has six tokens
    alone = [said(decode(policies, PROMPTS, [each], max_new_tokens=3)[0]) for each in weightings]
    assert [said(each) for each in found] == alone


def test_draws_follow_the_distribution_and_are_shared(models, policies):
    uniforms = np.random.default_rng(0).random((2000, 1))
    one, again = decode(policies, [[5, 6]] * 2000, [(0.5, 0.5, 0), (0.5, 0.5, 0)], max_new_tokens=1, uniforms=uniforms)
    assert said(one) == said(again)
    ids = torch.tensor([[5, 6]])
    with torch.no_grad():
        mean = sum(torch.log_softmax(model(input_ids=ids).logits[0, -1], dim=-1) for model in models[:2]) / 2
    expected = torch.softmax(mean, dim=-1).numpy()
    counts = np.bincount([tokens[0] for tokens in said(one)], minlength=WIDTH) / 2000
    assert np.abs(counts - expected).max() < 0.04
    assert np.allclose(one.log_probabilities[:, 0], np.log(expected)[[tokens[0] for tokens in said(one)]])


def test_a_row_that_ended_stays_as_it_is(policies):
    (long,) = decode(policies, PROMPTS, [(0.5, 0.5, 0)], max_new_tokens=8)
    end = said(long)[0][2]
    (short,) = decode(policies, PROMPTS, [(0.5, 0.5, 0)], max_new_tokens=8, ending=[end])
    for (
        whole,
        cut,
        ended,
    ) in zip(said(long), said(short), short.ended, strict=True):
        assert ended == (end in whole)
        assert cut == (whole[: whole.index(end)] if ended else whole)
    assert not all(short.ended) and any(short.ended)
    after = np.cumsum(short.tokens == end, axis=1) - (short.tokens == end) > 0
    assert (short.tokens[after] == -1).all() and not short.log_probabilities[after].any()
    np.testing.assert_allclose(short.log_probabilities[~after], long.log_probabilities[~after])


def test_a_padded_head_says_no_token_that_is_none(models):
    wide = llama(1, vocabulary=WIDTH + 24)
    with torch.no_grad():
        wide.lm_head.weight[:, :] *= 0.01
        wide.lm_head.weight[WIDTH:] = 5 * torch.randn(24, 16, generator=torch.Generator().manual_seed(0)).double()
    (found,) = decode(SeparatePolicies([models[0], wide], WIDTH), PROMPTS, [(0.1, 0.9)], max_new_tokens=6)
    assert max(map(max, said(found))) < WIDTH


def test_chosen_tokens_alone_are_said(models):
    chosen = [30, 3, 4, 17, 9, 2]
    smaller = [copy.deepcopy(model) for model in models[:2]]
    for model in smaller:
        restrict_head(model, chosen)
    (found,) = decode(
        SeparatePolicies(smaller, WIDTH, vocabulary=chosen), PROMPTS, [(0.5, 0.5)], max_new_tokens=4, ending=[2]
    )
    scores = [model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1, chosen] for model in models[:2]]
    assert said(found)[0][0] == chosen[int((scores[0] + scores[1]).argmax())]


@pytest.mark.parametrize("name", ["reverse", "forward", "jsd"])
def test_generate_says_the_same(models, reference, policies, name):
    weights = (0.5, 0.2, 0.3)
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(each)) + list(each) for each in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in PROMPTS])
    processor = CombinedScores(policies, weights, mask, RULES[name])
    settings = {"attention_mask": mask, "max_new_tokens": 6, "eos_token_id": None, "pad_token_id": 0}
    found = models[0].generate(ids, logits_processor=[processor], do_sample=False, **settings)
    (expected,) = decode(policies, PROMPTS, [weights], max_new_tokens=6, rule=RULES[name])
    assert [tuple(row) for row in found[:, longest:].tolist()] == list(said(expected))
    with pytest.raises(ValueError, match="another generation"):
        models[0].generate(ids, logits_processor=[processor], do_sample=False, **settings)
    with pytest.raises(ValueError, match="beams"):
        models[0].generate(ids, logits_processor=[CombinedScores(policies, weights, mask)], num_beams=2, **settings)


def test_what_does_not_fit_is_refused_before_a_model_runs(models, reference, policies):
    calls = []
    hook = counted(models[0], calls)
    lone = SeparatePolicies(models, WIDTH)
    refused = [
        ({"weightings": [(0.5, float("nan"), 0.5)]}, "finite"),
        ({"weightings": [(0.5, 0.5)]}, "expected 3"),
        ({"weightings": [(0.5, 0.2, 0.1)]}, "tuned from"),
        ({"weightings": [(1, 0, 0)], "kl": True}, "tuned from"),
        ({"weightings": [(1, 0, 0)], "rule": Rule(divergence("jsd"))}, "tuned from"),
        ({"prompts": [[1], []]}, "one token or more"),
        ({"max_new_tokens": 0}, "1 or more"),
        ({"uniforms": np.zeros((1, 1))}, "shape"),
    ]
    for change, message in refused:
        settings = {"prompts": PROMPTS, "weightings": [(0.5, 0.5, 0)], "max_new_tokens": 3} | change
        with pytest.raises(ValueError, match=message):
            decode(lone, **settings)
    with pytest.raises(ValueError, match="pad on the left"):
        CombinedScores(policies, (1, 0, 0), torch.tensor([[1, 0]]))
    with pytest.raises(ValueError, match="got none"):
        SeparatePolicies([], WIDTH)
    with pytest.raises(ValueError, match="scores 40 tokens, where 50"):
        SeparatePolicies(models, 50)
    with pytest.raises(ValueError, match="training mode"):
        SeparatePolicies([llama(1).train()], WIDTH)
    hook.remove()
    assert not calls


def test_an_encoder_decoder_is_refused():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=WIDTH, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="decoders alone"):
        SeparatePolicies([T5ForConditionalGeneration(config).eval()], WIDTH)


@pytest.mark.parametrize("drawn", [False, True])
def test_responses_that_are_over_leave_the_batch(models, reference, policies, drawn):
    """The same is said, with the same probabilities and divergence, and nothing is computed for them any more."""
    uniforms = np.random.default_rng(0).random((len(PROMPTS), 6)) if drawn else None
    about = {"max_new_tokens": 6, "rule": Rule(ALPHA, scope="sequence"), "kl": True}
    weights = (0.5, 0.2, 0.3)
    (whole,) = decode(policies, PROMPTS, [weights], uniforms=uniforms, **about)
    ending = {int(whole.tokens[0, 1]), int(whole.tokens[2, 3])}
    rows: list[int] = []

    def count(_model, _args, inputs):
        rows.append(len(inputs["input_ids"]))

    hook = models[0].register_forward_pre_hook(count, with_kwargs=True)
    try:
        (found,) = decode(policies, PROMPTS, [weights], uniforms=uniforms, ending=ending, **about)
    finally:
        hook.remove()
    lengths = []
    for row, tokens in enumerate(whole.tokens.tolist()):
        over = [token in ending for token in tokens]
        lengths.append(over.index(True) + 1 if any(over) else 6)
        assert found.tokens[row].tolist() == tokens[: lengths[row]] + [-1] * (6 - lengths[row])
        assert found.ended[row] == any(over)
        for name in ("log_probabilities", "kl"):
            kept, all_of_it = getattr(found, name)[row], getattr(whole, name)[row]
            np.testing.assert_allclose(kept[: lengths[row]], all_of_it[: lengths[row]], atol=1e-9)
            assert not kept[lengths[row] :].any()
    assert min(lengths) < max(lengths)
    assert rows == [sum(length > step for length in lengths) for step in range(max(lengths))]
