"""Gradients of answers, all of a batch at once, beside each example's own by autograd."""

from __future__ import annotations

import torch

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language import gradients
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.examples import examples
from labelbench_plus.language.gradients import answer_gradients, batch_gradients
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.templates import Format
from tests.language.tiny import PLAIN, tiny

PAIRS = [("up", "down"), ("left", "the other right"), ("hot", "cold"), ("big and tall", "small"), ("a", "z")]
DEMONSTRATIONS = [Demonstration(prompt, answer) for prompt, answer in PAIRS]
MODEL = LanguageModel(tiny(), PLAIN)


def slow(adapter, example):
    """The gradient of one example's mean loss with respect to every B."""
    tuned = [second.requires_grad_() for _, second in adapter.weights.values()]
    ids = torch.tensor([example.ids])
    with MODEL.base.computing(), adapter.worn(MODEL.base) as model:
        scores = model(input_ids=ids).logits[0].log_softmax(dim=1)
        losses = [-scores[place - 1, ids[0, place]] for place in range(example.prompt, len(example.ids))]
        found = torch.autograd.grad(torch.stack(losses).mean(), tuned)
    return dict(zip(adapter.weights, found, strict=True))


def test_a_batch_has_the_gradient_of_each_example():
    adapter = Adapter.drawn(tiny(), 3, 3.0, torch.Generator().manual_seed(0))
    rows = examples(Format(PLAIN, tiny().tokenizer), DEMONSTRATIONS, 100)
    found = dict(batch_gradients(MODEL, adapter, rows))
    assert found.keys() == adapter.weights.keys()
    for number, example in enumerate(rows):
        for name, expected in slow(adapter, example).items():
            torch.testing.assert_close(found[name][number], expected, rtol=1e-3, atol=1e-6)
    assert not any(part._forward_hooks for part in tiny().model.modules())
    assert all(weight.grad is None and not weight.requires_grad for weight in tiny().model.parameters())


def test_what_is_sketched_together_is_sketched_alike(monkeypatch):
    whole = answer_gradients(MODEL, DEMONSTRATIONS)
    assert whole.shape == (5, gradients.DIMENSIONS) and whole.dtype == torch.float32
    assert torch.equal(whole, answer_gradients(MODEL, DEMONSTRATIONS))
    monkeypatch.setattr(gradients, "BATCH_TOKENS", 1)
    torch.testing.assert_close(answer_gradients(MODEL, DEMONSTRATIONS), whole, rtol=1e-3, atol=1e-5)
    assert answer_gradients(MODEL, []).shape == (0, gradients.DIMENSIONS)


def test_cosines_are_those_of_the_gradients(monkeypatch):
    monkeypatch.setattr(gradients, "DIMENSIONS", 20_000)
    adapter = Adapter.drawn(tiny(), gradients.RANK, 1.0, torch.Generator().manual_seed(0))
    rows = examples(Format(PLAIN, tiny().tokenizer), DEMONSTRATIONS, 100)
    exact = torch.cat([part.flatten(1) for _, part in batch_gradients(MODEL, adapter, rows)], dim=1)
    cosines = [torch.nn.functional.normalize(each, dim=1) for each in (exact, answer_gradients(MODEL, DEMONSTRATIONS))]
    one, other = (each @ each.T for each in cosines)
    assert float((one - other).abs().max()) < 0.2  # another A was drawn, and both project at random
