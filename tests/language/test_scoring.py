"""How likely answers are, the states of prompts, and what answers are like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.language import packing, scoring
from labelbench_plus.language.decoding import Generations
from labelbench_plus.language.quality import copied, distinct, divergence, validity
from labelbench_plus.language.templates import Template
from tests.language.tiny import PROMPTS, model, tiny

ANSWERS = ("four", "", "a very long answer about red", "è", "so")


def test_log_probabilities_are_those_of_a_plain_pass():
    mine = model()
    found, form = mine.log_probabilities(PROMPTS, ANSWERS), mine.format
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        before, said = form.prompt(prompt), form.answer(answer)
        with torch.no_grad():
            scores = mine.base.model(input_ids=torch.tensor([before + said])).logits[0].double().log_softmax(dim=1)
        expected = sum(scores[len(before) - 1 + place, token] for place, token in enumerate(said))
        assert found[row] == pytest.approx(float(expected), abs=1e-4)
    assert mine.response_tokens(ANSWERS).tolist() == [len(form.answer(text)) for text in ANSWERS]


def test_what_is_computed_together_makes_no_difference(monkeypatch):
    together = model().log_probabilities(PROMPTS, ANSWERS), model().hidden(PROMPTS)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 1)
    monkeypatch.setattr(scoring, "HEAD_ROWS", 2)
    alone = model().log_probabilities(PROMPTS, ANSWERS), model().hidden(PROMPTS)
    for some, others in zip(together, alone, strict=True):
        torch.testing.assert_close(some, others, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_states_are_those_of_the_prompt_alone(pooling):
    mine = model(Template(chat="plain", pooling=pooling))
    found = mine.hidden(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        with torch.no_grad():
            states = mine.base.model.base_model(input_ids=torch.tensor([mine.format.prompt(prompt)])).last_hidden_state[
                0
            ]
        torch.testing.assert_close(
            found[row], states[-1] if pooling == "last" else states.mean(dim=0), rtol=0, atol=1e-5
        )
    assert found.shape == (len(PROMPTS), tiny().width) and found.dtype == torch.float32


def test_batches_hold_every_row_once_and_no_more_tokens_than_allowed():
    lengths = np.random.default_rng(0).integers(1, 50, size=200)
    batches = packing.by_length(lengths, tokens=100)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert all(len(batch) * lengths[batch].max() <= 100 for batch in batches)
    assert packing.by_length([300, 2], tokens=100)[0].tolist() == [0]
    assert packing.by_length([], tokens=100) == []


def test_quality_of_answers():
    found = Generations(
        ("red", "  ", "blue"), np.array([True, True, False]), np.array([2, 2, 2]), np.zeros(3, dtype=bool)
    )
    assert validity(found) == pytest.approx(1 / 3)
    assert distinct(["a b a b", "a b"], 1) == pytest.approx(2 / 6)
    assert distinct(["a b a b", "a b"], 2) == pytest.approx(2 / 4)
    assert distinct([], 1) == 1.0
    assert copied(["Red, please!", "blue", "The Blue"], {"red please"}).tolist() == [True, False, True]


def test_the_base_has_not_moved_from_itself():
    assert divergence(model(), PROMPTS, ANSWERS) == 0.0
