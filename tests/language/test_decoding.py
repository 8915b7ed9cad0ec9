"""Generation, and what is kept of the distributions that tokens were taken from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelbench_plus.algorithms.token_uncertainty import MEASURES, TokenStatistics, max_uncertainty, mean_uncertainty
from labelbench_plus.language import decoding as writing
from labelbench_plus.language.base import head_of
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.seeding import Streams
from tests.language.tiny import PROMPTS, model

GREEDY = Decoding(max_new_tokens=6)


def generators(rows=(0, 1, 2, 3, 4)):
    return [Streams(3).rng(f"answer {row}") for row in rows]


def test_greedy_answers_are_those_of_a_plain_loop():
    mine = model()
    found = mine.generate(PROMPTS, GREEDY)
    form = mine.format
    for row, prompt in enumerate(PROMPTS):
        ids = form.prompt(prompt)
        answer = []
        with torch.no_grad():
            while len(answer) < 6 and form.end not in answer:
                logits = mine.base.model(input_ids=torch.tensor([ids + answer])).logits[0, -1]
                answer.append(int(logits.argmax()))
        assert found.texts[row] == form.text(answer)
        assert found.tokens[row] == len(answer)
        assert found.ended[row] == (answer[-1] == form.end)


def test_an_answer_does_not_depend_on_its_neighbours(monkeypatch):
    drawing = Decoding(max_new_tokens=6, temperature=1.0, top_p=0.9)
    together, uncertain = model().generate(PROMPTS, drawing, generators()), model().token_uncertainty(PROMPTS, GREEDY)
    monkeypatch.setattr(writing, "BATCH_TOKENS", 1)
    alone, unsure = model().generate(PROMPTS, drawing, generators()), model().token_uncertainty(PROMPTS, GREEDY)
    assert together.texts == alone.texts
    for some, others in ((uncertain.largest, unsure.largest), (uncertain.mean, unsure.mean)):
        torch.testing.assert_close(some, others, rtol=0, atol=1e-5)
    some = model().generate(PROMPTS[2:4], drawing, generators([2, 3]))
    assert some.texts == together.texts[2:4]


def test_the_same_streams_give_the_same_texts_and_others_others():
    drawing = Decoding(max_new_tokens=8, temperature=1.0)
    first, again = (model().generate(PROMPTS, drawing, generators()) for _ in range(2))
    assert first.texts == again.texts
    assert first.texts != model().generate(PROMPTS, drawing, generators(range(10, 15))).texts


def test_tokens_are_drawn_as_often_as_they_are_likely():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = probabilities.log().repeat(4000, 1)
    each = [np.random.default_rng(row) for row in range(4000)]
    counts = torch.bincount(writing._drawn(logits, Decoding(temperature=1.0), each), minlength=4) / 4000
    torch.testing.assert_close(counts, probabilities, rtol=0, atol=0.03)
    some = writing._drawn(logits, Decoding(temperature=1.0, top_p=0.7), each)
    assert set(some.tolist()) == {0, 1}  # 0.5 does not reach 0.7, 0.5 + 0.3 does


def test_an_answer_ends_at_a_stop_text_and_does_not_hold_it():
    whole = model().generate(PROMPTS, Decoding(max_new_tokens=8, temperature=1.0), generators())
    row = max(range(len(PROMPTS)), key=lambda place: len(whole.texts[place]))
    stop = whole.texts[row][2]
    cut = model().generate(PROMPTS, Decoding(max_new_tokens=8, temperature=1.0, stop=(stop,)), generators())
    assert cut.texts[row] == whole.texts[row][: whole.texts[row].index(stop)]
    assert cut.ended[row]


def test_the_end_counts_as_a_token_and_stands_in_no_text():
    mine = model()
    end = mine.format.end
    bias = torch.zeros(mine.base.model.config.vocab_size)
    bias[end] = 100.0
    handle = mine.base.model.get_output_embeddings().register_forward_hook(lambda layer, given, out: out + bias)
    try:
        found = mine.generate(PROMPTS, GREEDY)
    finally:
        handle.remove()
    assert found.texts == ("",) * len(PROMPTS) and found.ended.all() and (found.tokens == 1).all()


def test_answers_that_have_ended_leave_the_others_as_they_are(monkeypatch):
    drawing = Decoding(max_new_tokens=20, temperature=2.0, stop=tuple("abcdefghijklmnopqrstuvwxyz"))
    prompts, each = [f"{row}" for row in range(40)], [np.random.default_rng(row) for row in range(40)]
    together = model().generate(prompts, drawing, each)
    assert together.ended.sum() > 25, "more than half of them leave the batch"
    monkeypatch.setattr(writing, "BATCH_TOKENS", 1)
    alone = model().generate(prompts, drawing, [np.random.default_rng(row) for row in range(40)])
    assert together.texts == alone.texts and (together.tokens == alone.tokens).all()


def test_generators_go_with_temperatures():
    with pytest.raises(ValueError, match="no generator"):
        model().generate(PROMPTS, GREEDY, generators())
    with pytest.raises(ValueError, match="a generator"):
        model().generate(PROMPTS, Decoding(temperature=1.0))
    with pytest.raises(ValueError, match="5 prompts need a generator each, got 2"):
        model().generate(PROMPTS, Decoding(temperature=1.0), generators([0, 1]))
    with pytest.raises(ValueError, match="greedy"):
        model().token_uncertainty(PROMPTS, Decoding(temperature=1.0))


def test_what_the_base_cannot_read_is_refused():
    with pytest.raises(ValueError, match="the base reads 128"):
        model().generate(PROMPTS, Decoding(max_new_tokens=200))


def test_uncertainty_by_hand():
    """Two sequences, of one token and of three."""
    statistics = TokenStatistics(
        torch.tensor([0.5, 0.1, 0.9, 0.2], dtype=torch.float64),
        torch.tensor([0.7, 0.9, 0.5, 0.8], dtype=torch.float64),
        torch.tensor([0.2, 0.05, 0.4, 0.1], dtype=torch.float64),
    )
    lengths = torch.tensor([1, 3])
    expected = {
        "entropy": ([0.5, 0.9], [0.5, 0.4]),
        "least_confidence": ([0.3, 0.5], [-np.log(0.7), -np.log(0.9 * 0.5 * 0.8)]),
        "margin": ([0.5, 0.9], [0.5, 1 - (0.85 + 0.1 + 0.7) / 3]),
    }
    for measure, (largest, mean) in expected.items():
        for of, values in ((max_uncertainty, largest), (mean_uncertainty, mean)):
            found = of(statistics, lengths, measure=measure)
            torch.testing.assert_close(found, torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-12)


def test_uncertainty_is_that_of_the_greedy_answer_under_the_model():
    mine = model()
    found, said = mine.token_uncertainty(PROMPTS, GREEDY), mine.generate(PROMPTS, GREEDY)
    assert (found.tokens == said.tokens).all()
    for row, prompt in enumerate(PROMPTS):
        ids = mine.format.prompt(prompt)
        answer = []
        entropies = []
        with torch.no_grad():
            for _ in range(said.tokens[row]):
                states = mine.base.model.base_model(input_ids=torch.tensor([ids + answer])).last_hidden_state[0, -1:]
                q = head_of(mine.base.model, states)[0].double().softmax(dim=0)
                entropies.append(float(-(q * q.log()).sum()))
                answer.append(int(q.argmax()))
        assert found.largest[row, 0] == pytest.approx(max(entropies), abs=1e-5)
        assert found.mean[row, 0] == pytest.approx(np.mean(entropies), abs=1e-5)
    assert found.largest.shape == found.mean.shape == (len(PROMPTS), len(MEASURES))
