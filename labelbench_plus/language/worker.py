"""A training by TRL in processes of its own: `accelerate launch -m labelbench_plus.language.worker FOLDER`.

FOLDER/request.json       what to train, and how
FOLDER/examples.parquet   tokens in the order in which they are read, and which of them are learned
FOLDER/start/             of low-rank changes: the first ones, as peft reads them, of rewards with the head
FOLDER/model/             what came of it, and result.json beside it
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelbench_plus._torchvision_compat import install

REQUEST, EXAMPLES, START, MODEL, RESULT = "request.json", "examples.parquet", "start", "model", "result.json"
HEAD = "score"  # of transformers' sequence classifiers
HEAD_WEIGHT = f"base_model.model.{HEAD}.weight"  # as peft calls it


def main(folder: Path) -> None:
    install()  # this process is ours
    from datasets import Dataset
    from transformers import AutoTokenizer

    request = json.loads((folder / REQUEST).read_text())
    read = Dataset.from_parquet(str(folder / EXAMPLES), cache_dir=str(folder / "read"))
    tokenizer = AutoTokenizer.from_pretrained(request["base"], local_files_only=True)
    make = {"sft": sft_trainer, "dpo": dpo_trainer, "reward": reward_trainer}[request["method"]]
    trainer = make(_model(folder, request), request, str(folder / "output"), read, tokenizer)
    trainer.train()
    trainer.save_model(str(folder / MODEL))
    if trainer.accelerator.is_main_process:
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        (folder / RESULT).write_text(json.dumps({"steps": trainer.state.global_step, "losses": losses}))


def sft_trainer(model: Any, request: Mapping[str, Any], output: str, read: Any, tokenizer: Any) -> Any:
    """TRL's trainer of demonstrations."""
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(output_dir=output, **request["arguments"])
    return SFTTrainer(model, arguments, train_dataset=read, processing_class=tokenizer)


def dpo_trainer(model: Any, request: Mapping[str, Any], output: str, read: Any, tokenizer: Any) -> Any:
    """TRL's trainer of pairs. It takes texts and makes tokens of them in its own way, so it is shown a pair that it may
    do so with, and is handed ours when that is done.
    """
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    arguments = DPOConfig(output_dir=output, **request["arguments"])
    shown = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    trainer = DPOTrainer(model, args=arguments, train_dataset=shown, processing_class=tokenizer)
    trainer.train_dataset = read
    return trainer


def reward_trainer(model: Any, request: Mapping[str, Any], output: str, read: Any, tokenizer: Any) -> Any:
    """TRL's trainer of rewards. What pads is a token that ends no text: the last other one is judged."""
    from trl import RewardConfig, RewardTrainer

    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(request["pad"])
    arguments = RewardConfig(output_dir=output, **request["arguments"])
    return RewardTrainer(model, arguments, train_dataset=read, processing_class=tokenizer)


def reward_model(path: str, **how: Any) -> Any:
    """A model with a head of one output instead of its own. What that is at first is read with the low-rank changes."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(path, local_files_only=True, num_labels=1, **how)


def _model(folder: Path, request: Mapping[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    how: dict[str, Any] = {
        "dtype": getattr(torch, request["dtype"]),
        "quantization_config": quantized if request["four_bit"] else None,
    }
    if request["method"] == "reward":
        model = reward_model(request["base"], **how)
    else:
        model = AutoModelForCausalLM.from_pretrained(request["base"], local_files_only=True, **how)
    if not (folder / START).is_dir():
        return model
    return with_changes(model, folder / START, request["dropout"], rewards=request["method"] == "reward")


def with_changes(model: Any, folder: Path, dropout: float = 0.0, *, rewards: bool = False) -> Any:
    """A model with low-rank changes that are learned, and with `rewards` its head, as it lies in the folder too."""
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(str(folder))
    config.lora_dropout = dropout
    if rewards:
        config.task_type, config.modules_to_save = "SEQ_CLS", [HEAD]
    return PeftModel.from_pretrained(model, str(folder), config=config, is_trainable=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
