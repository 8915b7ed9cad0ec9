"""What we call the loss of an answer is what TRL calls it."""

from __future__ import annotations

import copy
import importlib.util

import pytest
import torch

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.examples import examples
from labelbench_plus.language.scoring import token_losses
from labelbench_plus.language.templates import Format
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
