"""Adapters in one forward pass say what the adapted models say one by one."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.decoding.divergences import divergence
from labelbench_plus.decoding.adapters import read_adapter, soup
from labelbench_plus.decoding.engine import decode
from labelbench_plus.decoding.fused import FusedPolicies
from labelbench_plus.decoding.rule import Rule
from labelbench_plus.decoding.separate import SeparatePolicies
from tests.decoding.tiny import PROMPTS, WIDTH, adapted, gpt2, llama, said, written_out

WEIGHTS = (0.5, 0.2, 0.3)
SETTINGS = {
    "all layers": ({}, {"r": 5}, {"target_modules": ["q_proj", "o_proj"], "use_rslora": True}),
    "top layers": tuple({"layers_to_transform": [2], "r": rank} for rank in (2, 3, 4)),
    "top of one": ({"layers_to_transform": [1]}, {"layers_to_transform": [2]}, {"layers_to_transform": [1, 2]}),
    "head": ({}, {"target_modules": ["lm_head"]}, {"alpha_pattern": {"q_proj": 11}, "rank_pattern": {"v_proj": 2}}),
}


def make(base, configs, folder):
    """(adapted copies of the base, the adapters as read from what peft saved)."""
    models = [adapted(copy.deepcopy(base), 10 + i, **config) for i, config in enumerate(configs)]
    for i, model in enumerate(models):
        model.save_pretrained(folder / str(i))
    return models, [read_adapter(folder / str(i), base) for i in range(len(models))]


@pytest.fixture(scope="module")
def base():
    return llama(1)


@pytest.mark.parametrize("name", SETTINGS)
def test_says_what_adapted_models_say_one_by_one(base, name, tmp_path):
    models, adapters = make(base, SETTINGS[name], tmp_path)
    expected = written_out(models, PROMPTS, WEIGHTS, Rule(), 6, None)
    fused = FusedPolicies(base, adapters, WIDTH)
    assert fused.mixes == (name != "head")
    assert fused.first == {"top layers": 2, "top of one": 1}.get(name, 0)
    for policies in (fused, FusedPolicies(base, adapters, WIDTH, mix=False), SeparatePolicies(models, WIDTH)):
        (found,) = decode(policies, PROMPTS, [WEIGHTS], max_new_tokens=6)
        assert said(found) == expected
    jeffreys = Rule(divergence("jeffreys"), scope="sequence")
    (found,) = decode(fused, PROMPTS, [WEIGHTS], max_new_tokens=6, rule=jeffreys)
    assert said(found) == written_out(models, PROMPTS, WEIGHTS, jeffreys, 6, None, base)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_sweep_says_what_each_weighting_says(base, name, tmp_path):
    _, adapters = make(base, SETTINGS[name], tmp_path)
    fused = FusedPolicies(base, adapters, WIDTH)
    weightings = [(1, 0, 0), (0.5, 0.5, 0), (0, 0.3, 0.7), WEIGHTS, (0, 0, 0.4)]
    found = decode(fused, PROMPTS, weightings, max_new_tokens=4, kl=True)
    for weights, each in zip(weightings, found, strict=True):
        (alone,) = decode(fused, PROMPTS, [weights], max_new_tokens=4, kl=True)
        assert said(each) == said(alone)
        np.testing.assert_allclose(each.kl, alone.kl, atol=1e-9)


@pytest.mark.parametrize("name", ["all layers", "top of one"])
def test_responses_that_are_over_leave_the_batch(base, name, tmp_path):
    """From the trunk, which all policies share, and from every policy's layers."""
    _, adapters = make(base, SETTINGS[name], tmp_path)
    fused = FusedPolicies(base, adapters, WIDTH)
    weightings = [WEIGHTS, (0.0, 0.4, 0.6)]
    whole = decode(fused, PROMPTS, weightings, max_new_tokens=6, kl=True)
    ending = {int(whole[0].tokens[1, 0]), int(whole[0].tokens[2, 2])}
    found = decode(fused, PROMPTS, weightings, max_new_tokens=6, kl=True, ending=ending)
    seen = set()
    for ours, theirs in zip(found, whole, strict=True):
        for row, tokens in enumerate(theirs.tokens.tolist()):
            over = [token in ending for token in tokens]
            length = over.index(True) + 1 if any(over) else 6
            seen.add(length)
            assert ours.tokens[row].tolist() == tokens[:length] + [-1] * (6 - length)
            np.testing.assert_allclose(ours.kl[row, :length], theirs.kl[row, :length], atol=1e-9)
    assert len(seen) > 1


def test_one_adapter_is_that_model_and_zero_strength_the_base(base, tmp_path):
    models, adapters = make(base, SETTINGS["all layers"], tmp_path)
    rows = []
    hook = base.model.norm.register_forward_hook(lambda _m, _i, output: rows.append(len(output)))
    fused = FusedPolicies(base, adapters, WIDTH)
    alone, nobody = (decode(fused, PROMPTS, [w], max_new_tokens=5)[0] for w in ((0, 1, 0), (0, 0, 0)))
    hook.remove()
    assert set(rows) == {len(PROMPTS)}
    assert said(alone) == written_out(models[1:2], PROMPTS, (1,), Rule(), 5, None)
    assert said(nobody) == written_out([base], PROMPTS, (1,), Rule(), 5, None)


def test_other_shapes_of_models(tmp_path):
    base = gpt2(7)
    models, adapters = make(base, [{"target_modules": ["c_attn"], "fan_in_fan_out": True}] * 2, tmp_path)
    (found,) = decode(FusedPolicies(base, adapters, WIDTH), PROMPTS, [(0.5, 0.5)], max_new_tokens=5)
    assert said(found) == written_out(models, PROMPTS, (0.5, 0.5), Rule(), 5, None)


def test_capped_logits_are_not_mixed_before_the_head(tmp_path):
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from labelbench_plus.models.weights import lent_generator

    with lent_generator():
        config = Gemma2Config(
            vocab_size=WIDTH, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, initializer_range=0.8, final_logit_softcapping=2.0, sliding_window=4,
        )  # fmt: skip
        base = Gemma2ForCausalLM(config).eval()  # whose eager attention hides padding in single precision only
    models, adapters = make(base, [{}, {}], tmp_path)
    fused = FusedPolicies(base, adapters, WIDTH)
    assert not fused.mixes
    found = decode(fused, PROMPTS, [(0.5, 0.5), (1, 0)], max_new_tokens=5)
    for weights, each in zip(((0.5, 0.5), (1, 0)), found, strict=True):
        assert said(each) == written_out(models, PROMPTS, weights, Rule(), 5, None)


NAMES = "one", "two"  # no name that is part of "lora_", which old versions of peft then write wrongly


def test_peft_mixed_batches_say_the_same(base, tmp_path):
    model = adapted(copy.deepcopy(base), 10, name=NAMES[0])
    adapted(None, 11, name=NAMES[1], model=model)
    model.save_pretrained(tmp_path)
    adapters = [read_adapter(tmp_path / name, base) for name in NAMES]
    (found,) = decode(FusedPolicies(base, adapters, WIDTH), PROMPTS, [(0.4, 0.6)], max_new_tokens=4)
    for row, prompt in enumerate(PROMPTS):
        tokens = []
        for _ in range(4):
            ids = torch.tensor([[*prompt, *tokens]] * 2)
            with torch.no_grad():
                logits = model(input_ids=ids, adapter_names=[*NAMES]).logits[:, -1]
            tokens.append(int((torch.tensor([[0.4], [0.6]]) * torch.log_softmax(logits, dim=-1)).sum(0).argmax()))
        assert said(found)[row] == tuple(tokens)


def test_a_soup_is_what_peft_concatenates(base, tmp_path):
    configs = [{"r": 2}, {"r": 4, "lora_alpha": 3}]
    model = adapted(copy.deepcopy(base), 10, name=NAMES[0], **configs[0])
    adapted(None, 11, name=NAMES[1], model=model, **configs[1])
    model.save_pretrained(tmp_path)
    adapters = [read_adapter(tmp_path / name, base) for name in NAMES]
    model.add_weighted_adapter([*NAMES], [0.25, 0.75], "both", combination_type="cat")
    model.set_adapter("both")
    ids = torch.tensor([PROMPTS[2]])
    policies = FusedPolicies(base, [soup(adapters, (0.25, 0.75)), soup(adapters[:1], (1,))], WIDTH)
    state = policies.start((0,))
    with torch.no_grad():
        ours = policies.advance(state, ids, torch.ones_like(ids), torch.arange(ids.shape[1])[None], None)[0]
        theirs = model(input_ids=ids).logits[:, -1]
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    (one,) = decode(policies, PROMPTS, [(0, 1)], max_new_tokens=4)
    model.set_adapter(NAMES[0])
    assert said(one) == written_out([model], PROMPTS, (1,), Rule(), 4, None)


def test_a_sign_flipped_within_adapters_changes_nothing_here_and_a_mean_of_factors(base, tmp_path):
    _, adapters = make(base, [{}, {}], tmp_path)
    flipped = type(adapters[1])({name: (-a, -b, s) for name, (a, b, s) in adapters[1].layers.items()})
    decoded = [
        decode(FusedPolicies(base, [adapters[0], other], WIDTH), PROMPTS, [(0.5, 0.5)], max_new_tokens=4)[0]
        for other in (adapters[1], flipped)
    ]
    np.testing.assert_allclose(decoded[0].log_probabilities, decoded[1].log_probabilities, atol=1e-12)
    for name in adapters[0].layers:
        down, up, _ = soup([adapters[0], flipped], (0.5, 0.5)).layers[name]
        right, left, _ = soup(adapters, (0.5, 0.5)).layers[name]
        torch.testing.assert_close(up @ down, left @ right)


def test_the_model_is_lent(tmp_path):
    base = llama(1)
    ids = torch.tensor([PROMPTS[0]])
    before = base(input_ids=ids).logits
    _, adapters = make(base, [{}, {}], tmp_path)
    with_hooks = FusedPolicies(base, adapters, WIDTH)
    assert torch.equal(base(input_ids=ids).logits, before)
    with_hooks.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in base.modules())


def test_what_is_not_plain_lora_of_this_model_is_refused(base, tmp_path):
    refused = {
        "bias": ({"bias": "lora_only"}, "bias"),
        "dora": ({"use_dora": True}, "use_dora"),
        "saved": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        "embedding": ({"target_modules": ["embed_tokens"]}, "no part of plain LoRA"),
    }
    for name, (config, message) in refused.items():
        adapted(copy.deepcopy(base), 1, **config).save_pretrained(tmp_path / name)
        with pytest.raises(ValueError, match=message):
            read_adapter(tmp_path / name, base)
    adapted(copy.deepcopy(base), 1).save_pretrained(tmp_path / "fine")
    with pytest.raises(ValueError, match="no layer"):
        read_adapter(tmp_path / "fine", llama(1, layers=2))
    with pytest.raises(ValueError, match="expected an adapter for weights"):
        read_adapter(tmp_path / "fine", llama(1, hidden_size=32, num_attention_heads=4))
    with pytest.raises(FileNotFoundError, match="adapter_config"):
        read_adapter(tmp_path, base)
    with pytest.raises(ValueError, match="got none"):
        FusedPolicies(base, [], WIDTH)
