"""What we call the loss of an answer is what TRL calls it."""

from __future__ import annotations

import copy
import importlib.util
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language import worker
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.examples import examples
from labelbench_plus.language.judged import Judged
from labelbench_plus.language.scoring import token_losses
from labelbench_plus.language.templates import Format
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._body import Head, Lesson, _Loss
from labelbench_plus.trainers.language._dpo import Pair, PairBatches
from tests.language.tiny import PLAIN, tiny

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="pip install --no-deps trl")


@pytest.mark.parametrize("supervised", ["answers", "all"])
def test_losses_of_a_batch_agree(supervised, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    found = examples(Format(PLAIN, tiny().tokenizer), [Demonstration("up", "down"), Demonstration("a", "zed")], 100)
    data = Dataset.from_dict(
        {
            "input_ids": [list(each.ids) for each in found],
            "completion_mask": [[int(place >= each.prompt) for place in range(len(each.ids))] for each in found],
        }
    )
    arguments = SFTConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        max_steps=1,
        completion_only_loss=supervised == "answers",
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    with torch.random.fork_rng(), torch.enable_grad():
        model = copy.deepcopy(tiny().model).requires_grad_(True)
        trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=tiny().tokenizer)
        trainer.train()
    (theirs,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    ours = token_losses(tiny().model, [each.ids for each in found], [each.first(supervised) for each in found]).mean()
    assert float(ours) == pytest.approx(theirs, abs=1e-4)


ARGUMENTS = {
    "per_device_train_batch_size": 3,
    "max_steps": 1,
    "learning_rate": 0.0,
    "train_sampling_strategy": "sequential",
    "gradient_checkpointing": False,
    "bf16": False,
    "use_cpu": True,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}
PAIRS = [Pair("say so", "aa", "bb"), Pair("say no", "long better", "w"), Pair("hm", "x", "yyyy")]


def pairs_as_tokens():
    said = [Demonstration(each.prompt, text) for each in PAIRS for text in (each.better, each.worse)]
    return examples(Format(PLAIN, tiny().tokenizer), said, 100)


def moved(adapter):
    """With changes that change something."""
    generator = torch.Generator().manual_seed(1)
    for _, second in adapter.weights.values():
        second += 0.3 * torch.randn(second.shape, generator=generator)
    return adapter


def first_loss(make, model, arguments, rows, tmp_path, **request):
    from datasets import Dataset

    with torch.random.fork_rng(), torch.enable_grad():
        given = {"arguments": {**ARGUMENTS, **arguments}, **request}
        trainer = make(model, given, str(tmp_path), Dataset.from_dict(rows), copy.deepcopy(tiny().tokenizer))
        trainer.train()
    (theirs,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return theirs


@pytest.mark.parametrize("sft", [0.0, 0.7])
def test_losses_of_pairs_agree(sft, tmp_path):
    """Of a policy that has learned something, whose reference is the base."""
    found, base = pairs_as_tokens(), tiny()
    rows = {
        "prompt_ids": [list(each.ids[: each.prompt]) for each in found[::2]],
        "chosen_ids": [list(each.ids[each.prompt :]) for each in found[::2]],
        "rejected_ids": [list(each.ids[each.prompt :]) for each in found[1::2]],
    }
    adapter = moved(Adapter.drawn(base, 2, 4.0, torch.Generator().manual_seed(0)))
    trainer = trainers.build({"name": "direct_dpo", "batch": 3, "at_once": 6, "beta": 0.2, "sft": sft})
    data = SimpleNamespace(base=base, template=PLAIN)
    batches = PairBatches(trainer, data, PAIRS)
    tokens = sum(len(each.ids) - each.prompt for each in found[::2])
    with torch.no_grad(), base.computing(), adapter.worn(base) as model:
        ours = float(batches.losses(model, [0, 1, 2], 3, tokens)[0])
    arguments = {
        "beta": 0.2,
        "loss_type": ["sigmoid", "sft"],
        "loss_weights": [1.0, sft],
        "precompute_ref_log_probs": False,
    }
    whole = copy.deepcopy(base.model)
    for name, (first, second) in adapter.weights.items():  # a reference of its own is what full tuning has
        with torch.no_grad():
            whole.get_submodule(name).weight += adapter.alpha / adapter.rank * (second @ first)
    whole.config._name_or_path = whole.name_or_path = str(base.plugin.path())
    assert abs(ours - math.log(2)) > 0.01  # it is not where everything begins
    theirs = first_loss(worker.dpo_trainer, whole.requires_grad_(True), arguments, rows, tmp_path / "whole")
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_losses_of_rewards_agree(tmp_path):
    """Bradley and Terry's of a head on the last token's state, on low-rank changes of the base."""
    found, base = pairs_as_tokens(), tiny()
    rows = {
        "chosen_ids": [list(each.ids) for each in found[::2]],
        "rejected_ids": [list(each.ids) for each in found[1::2]],
    }
    adapter = moved(Adapter.drawn(base, 2, 4.0, torch.Generator().manual_seed(0)))
    weights = torch.randn(base.width, generator=torch.Generator().manual_seed(2))
    last = np.concatenate([np.zeros(base.width), weights.numpy()])
    lesson = Lesson(
        "bradley_terry", [Judged(each.prompt, (each.worse, each.better), 1.0) for each in PAIRS], np.ones(3)
    )
    head = Head(np.zeros_like(last), np.ones_like(last), last, 1.0)
    texts = [found[place] for place in (1, 0, 3, 2, 5, 4)]
    loss = _Loss(lesson, head, texts, 2, [torch.tensor(last, dtype=torch.float32)], None)
    with torch.no_grad(), base.computing(), adapter.worn(base) as model:
        ours = float(loss.of(model, [0, 1, 2]).mean())
    model = worker.reward_model(str(base.plugin.path()), dtype=torch.float32)
    adapter.save(tmp_path, "tiny", {worker.HEAD_WEIGHT: weights[None]})
    wrapped = worker.with_changes(model, tmp_path, rewards=True)
    pad = next(token for token in range(10) if token not in {each.ids[-1] for each in found})
    theirs = first_loss(worker.reward_trainer, wrapped, {}, rows, tmp_path / "out", pad=pad)
    assert ours == pytest.approx(theirs, abs=1e-4) and abs(ours - math.log(2)) > 0.01
