"""Supervised fine-tuning: what is learned, and going on after an interruption to the same bits."""

from __future__ import annotations

import dataclasses
import importlib.util
import socket

import pytest
import torch

from labelbench_plus.inputs.conversations import Demonstration, Turn
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.data import InstructionData
from labelbench_plus.language.decoding import Decoding
from labelbench_plus.language.examples import examples, plan
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.scoring import token_losses
from labelbench_plus.language.templates import Format, Template
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from tests.language.tiny import PLAIN, tiny

DEMONSTRATIONS = tuple(
    Demonstration(prompt, answer)
    for prompt, answer in (("up", "down"), ("left", "right"), ("hot", "cold"), ("big", "small"), ("a", "z"))
)
DATA = InstructionData(tiny(), PLAIN, DEMONSTRATIONS[1:], DEMONSTRATIONS[:1], [each.prompt for each in DEMONSTRATIONS])
PROMPTS, ANSWERS = [each.prompt for each in DEMONSTRATIONS], [each.response for each in DEMONSTRATIONS]
SMALL = {"name": "sft", "epochs": 3, "batch": 2, "rank": 2}


def sft(**fields):
    return trainers.build({**SMALL, **fields})


def weights(model):
    learned = model.learned
    return learned.state() if isinstance(learned, Adapter) else learned.state_dict()


def same(one, other):
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


class Kept:
    """A checkpoint in memory; a training that asks once too often whether it is due is killed."""

    def __init__(self, lives: int = 10**9) -> None:
        self.state, self.lives = None, lives

    def load(self):
        return self.state

    def due(self):
        self.lives -= 1
        if not self.lives:
            raise KeyboardInterrupt
        return True

    def save(self, state):
        self.state = state


@pytest.fixture
def no_network(monkeypatch):
    def refused(*arguments, **named):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)


WAYS = {
    "lora": {},
    "dropout": {"dropout": 0.2},
    "top": {"layers": 1},
    "all tokens": {"supervised": "all"},
    "full": {"tune": "full"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_training_goes_on_to_the_same_bits(way, no_network):
    trainer, streams = sft(**WAYS[way]), Streams(1).round(0)
    whole = trainer.fit(DATA, streams, None)
    kept = Kept(lives=5)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit_with_checkpoint(DATA, streams, None, kept)
    assert trainer.restore(DATA, streams, kept) is None, "it was not done"
    kept.lives = 10**9
    resumed = trainer.fit_with_checkpoint(DATA, streams, None, kept)
    assert same(whole, resumed) and whole.notes == resumed.notes
    restored = trainer.restore(DATA, streams, kept)
    assert same(whole, restored) and whole.notes == restored.notes
    assert not same(whole, trainer.fit(DATA, Streams(2).round(0), None))


def test_what_is_kept_of_another_fit_is_refused():
    trainer, streams, kept = sft(), Streams(0).round(0), Kept()
    trainer.fit_with_checkpoint(DATA, streams, None, kept)
    assert trainer.restore(DATA, streams, kept) is not None
    other = dataclasses.replace(DATA, bought=(Demonstration("up", "DOWN"), *DATA.bought[1:]))
    assert trainer.restore(other, streams, kept) is None
    assert trainer.restore(dataclasses.replace(DATA, base=tiny(1)), streams, kept) is None
    assert trainer.restore(dataclasses.replace(DATA, template=Template(chat="none")), streams, kept) is None
    assert trainer.restore(DATA, Streams(1).round(0), kept) is None
    assert trainer.restore(DATA, Streams(0).round(1), kept) is None
    assert sft(epochs=4).restore(DATA, streams, kept) is None
    kept.state = b"damaged"
    assert trainer.restore(DATA, streams, kept) is None


def test_the_base_is_left_as_it_was():
    before = LanguageModel(tiny(), PLAIN).log_probabilities(PROMPTS, ANSWERS)
    for way in WAYS.values():
        sft(**way).fit(DATA, Streams(0), None)
    assert torch.equal(before, LanguageModel(tiny(), PLAIN).log_probabilities(PROMPTS, ANSWERS))
    assert not any(parameter.requires_grad for parameter in tiny().model.parameters())


def test_nothing_global_is_used():
    state = torch.random.get_rng_state()
    one = sft(dropout=0.3).fit(DATA, Streams(0), None)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(5)
    assert same(one, sft(dropout=0.3).fit(DATA, Streams(0), None))


def test_it_learns_what_it_is_shown():
    trainer = sft(tune="full", epochs=60, batch=5, learning_rate=0.01)
    model = trainer.fit(DATA, Streams(0), None)
    assert list(model.generate(PROMPTS, Decoding(max_new_tokens=8)).texts) == ANSWERS
    assert model.notes["loss"] < 0.5
    assert model.notes["steps"] == 60 and model.notes["cut"] == 0


def test_with_nothing_to_learn_from_it_is_the_base():
    model = sft().fit(dataclasses.replace(DATA, bought=(), seed=()), Streams(0), None)
    assert torch.equal(
        model.log_probabilities(PROMPTS, ANSWERS), LanguageModel(tiny(), PLAIN).log_probabilities(PROMPTS, ANSWERS)
    )


def test_unbought_prompts_change_nothing():
    one, other = (sft().fit(dataclasses.replace(DATA, pool=pool), Streams(0), None) for pool in (DATA.pool, ["x"]))
    assert same(one, other)


def test_what_passes_the_model_together_changes_only_the_last_bits():
    one, other = (sft(batch=5, at_once=size).fit(DATA, Streams(0), None) for size in (5, 2))
    for name, weight in weights(one).items():
        torch.testing.assert_close(weight, weights(other)[name], rtol=0, atol=1e-4)


def test_states_that_were_computed_once_teach_the_same():
    from labelbench_plus.language import trunk

    once = sft(layers=1).fit(DATA, Streams(0), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trunk, "LIMIT_BYTES", 0)
        every_time = sft(layers=1).fit(DATA, Streams(0), None)
    assert weights(once).keys() == weights(every_time).keys()
    for name, weight in weights(once).items():
        assert ".1." in name
        torch.testing.assert_close(weight, weights(every_time)[name], rtol=0, atol=1e-4)


def test_the_loss_is_that_of_a_plain_pass():
    form = Format(PLAIN, tiny().tokenizer)
    found = examples(form, DEMONSTRATIONS, 100)
    for supervised in ("answers", "all"):
        first = [each.first(supervised) for each in found]
        losses = token_losses(tiny().model, [each.ids for each in found], first)
        expected = []
        for each, start in zip(found, first, strict=True):
            ids = torch.tensor([each.ids])
            scores = tiny().model(input_ids=ids).logits[0].log_softmax(dim=1)
            expected += [-scores[place - 1, ids[0, place]] for place in range(start, len(each.ids))]
        torch.testing.assert_close(losses, torch.stack(expected), rtol=0, atol=1e-5)


def merging_tokenizer():
    """Of bytes, but "ab" is one token; padding is the end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(("</s>", *alphabet, "ab"))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>")


@pytest.mark.parametrize("chat", ["plain", "none"])
def test_what_is_learned_reads_as_the_answer_and_its_end(chat):
    """Also where the last letter of the prompt and the first of the answer would be one token."""
    tokenizer = merging_tokenizer()
    form = Format(Template(chat=chat), tokenizer)
    (one,) = examples(form, [Demonstration("xa", "bc")], 100)
    answers, everything = one.ids[one.first("answers") :], one.ids[one.first("all") :]
    assert tokenizer.decode(answers).strip() == "bc</s>"
    whole = tokenizer.decode(one.ids)
    assert tokenizer.decode(everything) == whole[1:] and whole.endswith("bc</s>")
    assert answers[-1] == form.end == tokenizer.pad_token_id
    assert list(one.ids[: one.prompt]) == form.prompt("xa"), "what is taught follows what generation begins with"
    (merged,) = examples(form, [Demonstration("x", "ab")], 100)
    assert tokenizer.convert_tokens_to_ids("ab") in merged.ids


def test_conversations_are_learned_too():
    talk = (Turn("user", "Hi"), Turn("assistant", "Ho"), Turn("user", "up"))
    (one,) = examples(Format(PLAIN, tiny().tokenizer), [Demonstration(talk, "down")], 100)
    assert tiny().tokenizer.decode(one.ids[one.first("answers") :]) == " down</s>"


def test_long_answers_are_cut_and_long_prompts_refused():
    form = Format(PLAIN, tiny().tokenizer)
    (cut,) = examples(form, [Demonstration("up", "down" * 20)], 40)
    assert len(cut.ids) == 40 and cut.ids[-1] != form.end
    with pytest.raises(ValueError, match="nothing is left for an answer"):
        examples(form, [Demonstration("up" * 40, "down")], 40)
    model = sft(epochs=1, max_tokens=25).fit(DATA, Streams(0), None)
    assert model.notes["cut"] > 0


def test_every_epoch_has_each_row_once_with_others_of_its_length():
    lengths = [3, 50, 4, 51, 5, 52, 6]
    steps = plan(lengths, 2, 3, Streams(0).rng("data_order"))
    assert len(steps) == 12
    for epoch in range(3):
        assert sorted(row for rows in steps[4 * epoch : 4 * epoch + 4] for row in rows) == list(range(7))
    assert sum({1, 3} == set(rows.tolist()) or {3, 5} == set(rows.tolist()) for rows in steps) == 3
    assert [rows.tolist() for rows in steps[:4]] != [rows.tolist() for rows in steps[4:8]]


@pytest.mark.parametrize("way", ["lora", "full"])
def test_a_model_survives_its_folder(way, tmp_path):
    trainer = sft(**WAYS[way])
    model = trainer.fit(DATA, Streams(0), None)
    trainer.save_model(model, tmp_path)
    again = trainer.load_model(tmp_path)
    assert torch.equal(model.log_probabilities(PROMPTS, ANSWERS), again.log_probabilities(PROMPTS, ANSWERS))
    assert again.notes == model.notes and again.template == model.template


@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")
def test_peft_reads_an_adapter_that_was_trained(tmp_path):
    from peft import AutoPeftModelForCausalLM

    trainer = sft()
    model = trainer.fit(DATA, Streams(0), None)
    trainer.save_model(model, tmp_path)
    theirs = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path))
    ids = torch.tensor([model.format.prompt("up")])
    with torch.no_grad(), model.computing() as mine:
        torch.testing.assert_close(theirs(input_ids=ids).logits, mine(input_ids=ids).logits, rtol=0, atol=1e-5)


def test_layers_go_with_lora():
    with pytest.raises(Exception, match="layers goes with tune: lora"):
        sft(tune="full", layers=1)
    with pytest.raises(ValueError, match="give 1 to 2"):
        sft(layers=3).fit(DATA, Streams(0), None)
