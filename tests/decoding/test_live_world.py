"""A small live world: what it computes in parts is what the whole model says, and its adapters are peft's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.decoding.adapters import read_adapter, write_adapter
from labelbench_plus.decoding.live_world import LiveWorld, adapted, word_like
from labelbench_plus.decoding.proxy_rewards import asking, plain, positive
from labelbench_plus.plugins import registry

PROMPTS = ("The dog ", "The cat ", "One day ")


@pytest.fixture(scope="module")
def base():
    return registry("bases").build({"name": "tiny_llama", "width": 16, "layers": 3, "heads": 2, "context": 32})


@pytest.fixture(scope="module")
def world(base):
    return LiveWorld(base.load("cpu", torch.float64), base.tokenizer(), PROMPTS, 4, top=2)


@pytest.fixture(scope="module")
def tokens(world):
    return world.drawn(5, np.random.default_rng(0).random((15, 4)))


def whole(world, tokens, model):
    """Log-probabilities of responses, by the whole model, one by one, renormalised on what may be said."""
    found = []
    for prompt, responses in zip(world.prompts, tokens, strict=True):
        for response in responses:
            ids = torch.tensor([[*prompt, *response.tolist()]])
            with torch.no_grad():
                logs = torch.log_softmax(model(input_ids=ids).logits[0, len(prompt) - 1 : -1], dim=-1)
            places = torch.tensor([world.vocabulary.index(token) for token in response.tolist()])
            found.append(logs[torch.arange(len(places)), places].sum())
    return torch.stack(found).view(len(tokens), -1)


def test_words_alone_are_said(world, base, tokens):
    tokenizer = base.tokenizer()
    assert all(text.isalpha() or text in ",.!?;" for text in tokenizer.convert_ids_to_tokens(world.vocabulary))
    assert set(tokens.unique().tolist()) <= set(world.vocabulary)
    assert word_like(tokenizer, 70) == [index for index in world.vocabulary if index <= 70]
    assert len(world.texts(tokens)) == 15


def test_the_parts_are_the_whole(world, tokens):
    found = world.all_log_probabilities(world.trunk(tokens), tokens)
    torch.testing.assert_close(found, whole(world, tokens, world.model), rtol=1e-9, atol=1e-9)


def test_what_was_learned_is_an_adapter_that_others_read(world, tokens, tmp_path):
    trunk = world.trunk(tokens)
    wanted = torch.randn(15, generator=torch.Generator().manual_seed(0)).double().view(3, 5)
    before = world.all_log_probabilities(trunk, tokens)
    losses = []

    def loss(adapter, step):
        logs = world.log_probabilities(trunk.flatten(0, 1), tokens.flatten(0, 1), adapter).view(3, 5)
        missed = logs - before - wanted
        found = ((missed - missed.mean(dim=1, keepdim=True)) ** 2).mean()
        losses.append(found.item())
        return found

    adapter = world.trained(4, loss, 40, 1e-2, torch.Generator().manual_seed(0))
    assert losses[-1] < losses[0] / 2
    assert {name.split(".")[2] for name in adapter.layers} == {"1", "2"}
    write_adapter(adapter, tmp_path / "adapter", "tiny")
    read = read_adapter(tmp_path / "adapter", world.model)
    found = world.all_log_probabilities(trunk, tokens, read)
    torch.testing.assert_close(found, world.all_log_probabilities(trunk, tokens, adapter), rtol=1e-12, atol=1e-12)

    import peft

    theirs = peft.PeftModel.from_pretrained(world.model, tmp_path / "adapter", autocast_adapter_dtype=False).double()
    torch.testing.assert_close(found, whole(world, tokens, theirs.eval()), rtol=1e-6, atol=1e-6)
    theirs.unload()
    torch.testing.assert_close(before, world.all_log_probabilities(trunk, tokens))


def test_prompts_of_other_lengths_are_read_as_if_alone(base):
    prompts = ("The dog ", "A", "One long day ")
    ragged = LiveWorld(base.load("cpu", torch.float64), base.tokenizer(), prompts, 4, top=2)
    tokens = ragged.drawn(2, np.random.default_rng(0).random((6, 4)))
    trunk = ragged.trunk(tokens)
    adapter = ragged.untrained(2, torch.Generator().manual_seed(0))
    for _, up, _ in adapter.layers.values():
        up.data.normal_(generator=torch.Generator().manual_seed(1))
    found = ragged.all_log_probabilities(trunk, tokens)
    torch.testing.assert_close(found, whole(ragged, tokens, ragged.model), rtol=1e-9, atol=1e-9)
    with adapted(ragged.model, adapter):
        known = whole(ragged, tokens, ragged.model)
    together = ragged.log_probabilities(trunk.flatten(0, 1), tokens.flatten(0, 1), adapter).view(3, 2)
    torch.testing.assert_close(together.detach(), known, rtol=1e-9, atol=1e-9)
    rows = (np.array([1, 2]), np.array([1, 0]))
    logs, far = ragged.with_divergence(trunk[rows], tokens[rows], adapter)
    torch.testing.assert_close(logs.detach(), known[rows], rtol=1e-9, atol=1e-9)
    assert (far > 0).all()


def test_a_prompt_of_nothing_is_refused(base):
    with pytest.raises(ValueError, match="'' has no tokens"):
        LiveWorld(base.load("cpu", torch.float32), base.tokenizer(), ("a", ""), 2, top=1)


def test_plain_words_are_short():
    assert plain(["I am so.", "Extraordinary", "..."]).tolist() == [-5 / 3, -13, 0]


def test_questions_are_counted_among_sentences():
    assert asking(["Who? Me. You!", "no end", "??"]).tolist() == [1 / 3, 0, 1]


def test_sentiment_is_vaders():
    pytest.importorskip("vaderSentiment")
    found = positive(["This was a wonderful day", "This was a terrible day", "This was a day"])
    assert found[0] > 0.4 > -0.4 > found[1] and found[2] == 0
