"""A generator that is taught, what it writes, and the student that learns from it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language import similarity, synthesis
from labelbench_plus.language.data import InstructionData
from labelbench_plus.language.examples import examples, plan, plan_of
from labelbench_plus.language.matching import normalised
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.similarity import near_copies
from labelbench_plus.language.templates import Format, Template
from labelbench_plus.plugins import describe, registry
from labelbench_plus.problems import Place
from labelbench_plus.problems.instruction_tuning import InstructionInstance
from labelbench_plus.prompts import Prompt, PromptData, TestItem
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._sft import part_losses
from tests.language.tiny import PLAIN, tiny
from tests.trainers.language.test_sft import Kept, same, sft

WORDS = ("ba", "be", "bi", "bo", "bu", "by")
DEMONSTRATIONS = tuple(Demonstration(f"{word}?", word[::-1]) for word in WORDS)
WORDS_ASKED = tuple(each.prompt for each in DEMONSTRATIONS)
DATA = InstructionData(tiny(), PLAIN, DEMONSTRATIONS, (), [f"{one}{other}?" for one in WORDS for other in WORDS])
FULL = {"name": "nomad", "tune": "full", "batch": 3, "learning_rate": 0.01}
SIZES = {"generator_steps": 60, "synthetic": 24, "prompt_tokens": 24, "answer_tokens": 6, "student_steps": 8}
STREAMS = Streams(0).round(0)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(synthesis, "PIECE", 5)


def nomad(**fields):
    return trainers.build({**FULL, **SIZES, **fields})


@pytest.fixture(scope="module")
def taught():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "PIECE", 5)
        return nomad().fit(DATA, STREAMS, None)


def test_a_generator_writes_what_it_was_taught_and_the_student_learns_from_it(taught):
    rows, notes = taught.synthesis.rows, taught.notes
    assert len(rows) == notes["drawn"] == 24 and notes["parsed"] >= 12
    assert notes["parsed"] == sum(row.fate not in ("cut off", "blank") for row in rows)
    assert notes["kept"] == len(taught.synthesis.kept) and notes["copies"] == sum(row.fate == "copy" for row in rows)
    assert sum(normalised(row.prompt)[:1] == "b" for row in rows if row.parsed) > 0.6 * notes["parsed"]
    said = [normalised(row.prompt) for row in rows if row.fate == "kept"]
    assert len(set(said)) == len(said) and not {*map(normalised, WORDS)} & {*said}
    assert notes["steps"] == 8 and notes["loss"] > 0 and notes["generator_loss"] > 0


def test_without_synthetic_data_the_student_is_that_of_sft():
    mine = nomad(synthetic=0, student_steps=6, tune="lora", rank=2).fit(DATA, STREAMS, None)
    theirs = sft(epochs=3, batch=3, learning_rate=0.01).fit(DATA, STREAMS, None)
    assert same(mine, theirs) and mine.notes["loss"] == theirs.notes["loss"] and mine.synthesis is None


def test_students_take_the_steps_of_sft_or_see_all_as_often():
    """Whatever was bought: as many steps as `sft` in as many epochs, or as many passes over all it learns from."""
    for bought in (DEMONSTRATIONS, DEMONSTRATIONS[:4]):
        data = dataclasses.replace(DATA, bought=bought)
        theirs = sft(epochs=2, batch=3, learning_rate=0.01).fit(data, STREAMS, None)
        fields = {"student_steps": None, "student_epochs": 2, "rank": 2}
        alone = nomad(synthetic=0, tune="lora", **fields).fit(data, STREAMS, None)
        assert same(alone, theirs) and alone.notes["steps"] == theirs.notes["steps"] == 4
        equal, passes = (nomad(epochs_over=over, **fields).fit(data, STREAMS, None).notes for over in ("bought", "all"))
        assert equal["kept"] == passes["kept"] > 0
        assert equal["steps"] == 4 and passes["steps"] == 2 * -(-(len(bought) + passes["kept"]) // 3)


def test_how_long_a_student_learns_is_said_once():
    assert {"student_epochs", "epochs_over"}.isdisjoint(describe(nomad()))
    for wrong, why in (
        ({"student_epochs": 2}, "beside student_steps: null; got 8 and 2"),
        ({"student_steps": None}, "got None and None"),
        ({"epochs_over": "all"}, "of which there are none"),
    ):
        with pytest.raises(Exception, match=why):
            nomad(**wrong)


def test_the_masked_generator_differs_in_nothing_but_the_mask():
    one, other = describe(nomad()), describe(nomad(mask=True))
    assert {name for name in one if one[name] != other[name]} == {"mask"}


def test_prompts_are_learned_from_their_first_word_on_only_without_the_mask():
    """After the token that starts texts, the very first one of the prompt."""
    tokenizer = tiny().tokenizer
    (example,) = examples(Format(PLAIN, tokenizer), [Demonstration("up", "down")], 100)
    assert tokenizer.decode(example.ids[example.first("all") - 1 :]) == "Question: up\nAnswer: down</s>"
    open_loop, masked = (nomad(mask=mask, student_steps=1).fit(DATA, STREAMS, None).notes for mask in (False, True))
    assert open_loop["prompt_loss"] < 0.7 * masked["prompt_loss"]
    assert masked["answer_loss"] < 1


def test_losses_of_parts_are_those_of_a_plain_pass():
    model = LanguageModel(tiny(), PLAIN)
    found = examples(model.format, DEMONSTRATIONS, 100)
    sums = {"prompt": [], "answer": []}
    for each in found:
        ids = torch.tensor([each.ids])
        scores = tiny().model(input_ids=ids).logits[0].log_softmax(dim=1)
        for place in range(1, len(each.ids)):
            sums["answer" if place >= each.prompt else "prompt"].append(-float(scores[place - 1, ids[0, place]]))
    expected = [sum(part) / len(part) for part in sums.values()]
    assert part_losses(model, found) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("lives", [20, 62, 64, 68], ids=["generator", "writing", "writing later", "student"])
def test_a_fit_that_is_killed_goes_on_to_the_same_bits(lives, taught):
    kept_so_far = Kept(lives=lives)
    with pytest.raises(KeyboardInterrupt):
        nomad().fit_with_checkpoint(DATA, STREAMS, None, kept_so_far)
    assert nomad().restore(DATA, STREAMS, kept_so_far) is None, "it was not done"
    kept_so_far.lives = 10**9
    resumed = nomad().fit_with_checkpoint(DATA, STREAMS, None, kept_so_far)
    assert same(taught, resumed) and taught.notes == resumed.notes and taught.synthesis == resumed.synthesis
    restored = nomad().restore(DATA, STREAMS, kept_so_far)
    assert same(taught, restored) and restored.synthesis == taught.synthesis and restored.notes == taught.notes
    other = dataclasses.replace(DATA, bought=DEMONSTRATIONS[1:])
    assert nomad().restore(other, STREAMS, kept_so_far) is None


def test_what_was_written_is_not_written_again(monkeypatch, taught):
    """A kill after some pieces loses the piece that was being written."""
    written, original = [], synthesis._prompts

    def counted(writer, form, sampling, streams, numbers):
        written.append(numbers)
        return original(writer, form, sampling, streams, numbers)

    monkeypatch.setattr(synthesis, "_prompts", counted)
    state = Kept(lives=63)  # after the third piece
    with pytest.raises(KeyboardInterrupt):
        nomad().fit_with_checkpoint(DATA, STREAMS, None, state)
    state.lives = 10**9
    nomad().fit_with_checkpoint(DATA, STREAMS, None, state)
    assert [each.start for each in written] == [0, 5, 10, 10, 15, 20]


def test_a_generator_that_copies_is_caught():
    """One prompt is all it knows: what it writes are copies, and none is kept."""
    data = dataclasses.replace(DATA, bought=DEMONSTRATIONS[:1])
    model = nomad(generator_steps=80, temperature=0.0, student_steps=1).fit(data, STREAMS, None)
    assert {row.fate for row in model.synthesis.rows} == {"copy"} and model.notes["copies"] == 24


def test_an_untaught_base_is_prompted_as_it_is(monkeypatch):
    from labelbench_plus.trainers.language import _tuning

    steps = []
    advance = _tuning.Tuning.advance
    monkeypatch.setattr(_tuning.Tuning, "advance", lambda self, step: (steps.append(1), advance(self, step))[1])
    model = nomad(generator_steps=0, synthetic=4, student_steps=2).fit(DATA, STREAMS, None)
    assert len(steps) == 2 and len(model.synthesis.rows) == 4 and "generator_loss" not in model.notes


def test_filters_keep_less_and_see_neither_test_nor_answers(taught):
    every = {row.prompt for row in taught.synthesis.rows if row.fate == "kept"}
    middle, consistent = (
        nomad(filter=name, student_steps=1).fit(DATA, STREAMS, None) for name in ("middle", "consistent")
    )
    for model, fate in ((middle, "outside"), (consistent, "inconsistent")):
        dropped = {row.prompt for row in model.synthesis.rows if row.fate == fate}
        assert dropped and dropped | {row.prompt for row in model.synthesis.rows if row.fate == "kept"} == every
    assert 0.3 < len(middle.synthesis.kept) / len(every) < 0.7
    shown = {field.name for field in dataclasses.fields(InstructionData)}
    assert shown == {"base", "template", "bought", "seed", "pool", "validation"}, "no test set is among it"


def test_filters_see_no_prompt_that_models_are_scored_on(tmp_path):
    """Other prompts to be scored on, and to the letter the same is written, filtered, chosen and learned."""
    problem = registry("problems").build(
        {
            "name": "instruction_tuning",
            "prompts": {"name": "skills", "pool": 5},
            "base": describe(tiny().plugin),
            "template": {"chat": "plain"},
        }
    )
    pool = tuple(Prompt(text, "t") for text in (*(each.prompt for each in DEMONSTRATIONS), *DATA.pool))
    answers = tuple(prompt.text[1::-1] for prompt in pool)
    ledger = Ledger([Purchase(np.arange(6), np.ones(6), np.array(answers[:6], dtype=object))])
    found = []
    for test in ("bab?", "a secret"):
        data = PromptData(pool, answers, (TestItem(Prompt(test, "t"), ("x",)),))
        shown = InstructionInstance(problem, data, Place(tmp_path)).training_data(ledger, with_validation=False)
        trainer = nomad(filter="middle", duplicates="near", generator_share=(0.5, 1.0), student_steps=1)
        found.append(trainer.fit(shown, STREAMS, None))
    one, other = found
    assert one.synthesis == other.synthesis and one.notes == other.notes and same(one, other)
    assert {"kept", "outside"} <= {row.fate for row in one.synthesis.rows}


def test_near_copies_are_dropped_where_that_is_said(taught, monkeypatch):
    """In the order they were written, whatever else became of them; each beside a loop over all before it."""
    monkeypatch.setattr(similarity, "GRAM", 1)  # these prompts have two letters
    monkeypatch.setattr(similarity, "NEAR", 0.67)
    model = nomad(duplicates="near", student_steps=1).fit(DATA, STREAMS, None)
    known = [*WORDS_ASKED]
    expected = []
    for row in taught.synthesis.rows:
        near = row.parsed and near_copies([row.prompt], known).item()
        expected.append("near copy" if near and row.fate == "kept" else row.fate)
        known += [row.prompt] if row.parsed else []
    assert [row.fate for row in model.synthesis.rows] == expected
    assert 0 < expected.count("near copy") < expected.count("kept") + expected.count("near copy")
    assert [row.prompt for row in model.synthesis.rows] == [row.prompt for row in taught.synthesis.rows]
    assert "duplicates" not in describe(nomad()) and model.notes["copies"] == taught.notes["copies"]


def test_the_same_in_other_words_is_one_text():
    """Copies of what was bought and of earlier prompts are known once articles, case, marks and numbers are aside."""
    said = [
        "Which are the 7 Wonders?",
        "Who sang it?",
        "which are seven wonders",
        "WHO sang it!!",
        "Who sang that?",
        " ",
    ]

    def stub(prompts, decoding, generators, end):
        texts = said if len(prompts) == len(said) else ["x"] * len(prompts)
        done = np.ones(len(texts), dtype=bool)
        return SimpleNamespace(texts=texts, ended=done, stopped=done)

    sampling = synthesis.Sampling(len(said), 8, 8, 1.0, 1.0, False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesis, "PIECE", 64)
        form = LanguageModel(tiny(), PLAIN).format
        rows = synthesis.write(stub, form, sampling, ["Who sang it?"], STREAMS, [], lambda rows: None)
    assert [row.fate for row in rows] == ["kept", "copy", "copy", "copy", "kept", "blank"]


def test_what_is_too_long_is_cut_off_each_time():
    """So that what became of it does not depend on where the writing was interrupted."""

    class Narrow:
        def prompt(self, text):
            raise ValueError("too long")

    seen: set[str] = set()
    assert [synthesis._fate(Narrow(), "ba?", True, None, seen) for _ in range(2)] == ["cut off"] * 2 and not seen


def test_a_share_of_the_demonstrations_may_teach_the_generator():
    whole, part = (nomad(generator_share=share, student_steps=1).fit(DATA, STREAMS, None) for share in (1.0, 0.3))
    assert part.notes["generator_tokens"] != whole.notes["generator_tokens"]
    assert part.notes["copies"] > whole.notes["copies"]


def test_templates_that_put_nothing_around_a_prompt_are_refused_before_any_work():
    with pytest.raises(ValueError, match="choose chat: plain"):
        nomad().fit(dataclasses.replace(DATA, template=Template(chat="none")), STREAMS, None)
    with pytest.raises(Exception, match="goes with tune: lora"):
        nomad(backend="vllm")


def test_with_nothing_bought_it_is_the_base():
    assert nomad().fit(dataclasses.replace(DATA, bought=()), STREAMS, None).learned is None


def test_so_many_steps_are_the_first_of_so_many_epochs():
    lengths, rng = [3, 5, 4, 6, 5, 7, 3], Streams(0)
    some = plan_of(lengths, 3, 5, rng.rng("data_order"))
    assert [rows.tolist() for rows in some] == [
        rows.tolist() for rows in plan(lengths, 3, 2, rng.rng("data_order"))[:5]
    ]


def test_a_model_survives_its_folder_with_what_was_written(tmp_path, taught):
    nomad().save_model(taught, tmp_path)
    again = nomad().load_model(tmp_path)
    assert again.synthesis == taught.synthesis and again.notes == taught.notes
