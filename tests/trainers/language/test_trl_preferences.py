"""Preferences by TRL: the same as by the loop of this package, in processes of its own."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.examples import examples, plan
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import NoCheckpoint
from labelbench_plus.trainers.language._body import Head, Lesson, _Loss
from labelbench_plus.trainers.language._dpo import of_judged
from labelbench_plus.trainers.language._language_trainer import keeper_of
from labelbench_plus.trainers.language._tuning import Tuning
from tests.language.tiny import PLAIN
from tests.trainers.language.test_preference_trainers import JUDGED, PROMPTS, data  # noqa: F401
from tests.trainers.language.test_sft import Kept

needs_trl = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="pip install --no-deps trl")
FIELDS = {"steps": 4, "batch": 3, "rank": 2, "warmup": 0.0, "learning_rate": 0.01}  # three pairs were judged
ASKED = [each.asked for each in JUDGED]


@pytest.mark.slow  # a process that imports TRL takes ten CPU seconds
@needs_trl
@pytest.mark.parametrize(("labels", "ours"), [("expert", "direct_dpo"), ("proxy", "proxy_dpo")])
def test_it_comes_to_what_dpo_comes_to(data, labels, ours):  # noqa: F811
    fields = FIELDS if labels == "expert" else {**FIELDS, "batch": 5}
    one = trainers.build({"name": ours, **fields}).fit(data, Streams(0), None)
    trainer, kept = trainers.build({"name": "trl_dpo", "labels": labels, **fields}), Kept()
    other = trainer.fit_with_checkpoint(data, Streams(0), None, kept)
    assert one.notes["pairs"] == fields["batch"]  # whole batches, or the steps were others
    for name in ("pairs", "ties", "steps", "train_tokens"):
        assert other.notes[name] == one.notes[name]
    assert other.notes["loss"] == pytest.approx(one.notes["loss"], abs=1e-4)
    for name, weight in one.learned.state().items():
        torch.testing.assert_close(weight, other.learned.state()[name], rtol=0, atol=1e-3)
    assert torch.allclose(one.predictions(ASKED), other.predictions(ASKED), atol=1e-2)
    restored = trainer.restore(data, Streams(0), kept)
    assert torch.equal(restored.predictions(ASKED), other.predictions(ASKED))


@pytest.mark.slow  # a process that imports TRL takes ten CPU seconds
@needs_trl
def test_its_reward_is_what_a_body_and_a_head_come_to(data):  # noqa: F811
    """By our steps on the same pairs, of the last token's state alone and without a penalty."""
    trainer, kept = trainers.build({"name": "trl_reward", **FIELDS}), Kept()
    model = trainer.fit_with_checkpoint(data, Streams(0), None, kept)
    pairs = of_judged(data.judged).pairs
    form, width = LanguageModel(data.base, PLAIN).format, data.base.width
    texts = examples(form, [Demonstration(p.prompt, text) for p in pairs for text in (p.worse, p.better)], 128)
    sizes = [len(one.ids) + len(two.ids) for one, two in zip(texts[::2], texts[1::2], strict=True)]
    scale = np.concatenate([np.full(width, np.inf), np.ones(width)])  # the mean of all states says nothing
    lesson = Lesson("bradley_terry", [Judged(p.prompt, (p.worse, p.better), 1.0) for p in pairs], np.ones(3))
    weights = torch.zeros(2 * width)
    loss = _Loss(lesson, Head(np.zeros(2 * width), scale, weights.numpy(), 0.0), texts, 2, [weights], None)
    tuning = Tuning(
        trainer, data.base, PLAIN, Streams(0), keeper_of(trainer, data, Streams(0), NoCheckpoint()), 4, [weights]
    )
    with tuning.going_on():
        losses = [loss.step(tuning, rows) for rows in plan(sizes, 3, 4, Streams(0).rng("data_order"))]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-6)
    assert model.notes["loss"] == pytest.approx(losses[-1], abs=1e-4) and losses[-1] < losses[0] - 1e-3
    torch.testing.assert_close(model.reward.weights.float()[width:], weights[width:].detach(), rtol=0, atol=1e-3)
    assert isinstance(model.reward.body, Adapter) and not model.reward.weights[:width].any()
    assert model.learned is None and model.reference_kl(PROMPTS, ["x"] * 5) == 0
    found = model.predictions(ASKED)
    assert found[0] > found[5] and found[6] > found[7]  # of one prompt each
    assert torch.equal(trainer.restore(data, Streams(0), kept).predictions(ASKED), found)


@needs_trl
def test_nothing_judged_starts_nothing(data, monkeypatch, tmp_path):  # noqa: F811
    import dataclasses

    from labelbench_plus.trainers.language import _trl

    monkeypatch.setattr(_trl, "by_trl", lambda *given: pytest.fail("processes were started"))
    nothing = dataclasses.replace(data, bought=())
    for name in ("trl_dpo", "trl_reward"):
        trainer = trainers.build({"name": name, **FIELDS})
        model = trainer.fit(nothing, Streams(0), None)
        assert model.notes["steps"] == 0 and not model.predictions(ASKED).any()
        (folder := tmp_path / name).mkdir()
        trainer.save_model(model, folder)
        assert not trainer.load_model(folder).predictions(ASKED).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(Exception, match="another one in TRL"):
        trainers.build({"name": "trl_dpo", "loss": "ipo"})
    with pytest.raises(Exception, match="goes with tune: lora"):
        trainers.build({"name": "trl_reward", "tune": "full"})
    with pytest.raises(Exception, match="cannot be divided among 3 processes"):
        trainers.build({"name": "trl_dpo", "processes": 3})
