"""A training by TRL in processes of its own: `accelerate launch -m labelbench_plus.language.worker FOLDER`.

FOLDER/request.json       what to train, and how
FOLDER/examples.parquet   tokens in the order in which they are read, and which of them are learned
FOLDER/start/             of low-rank changes: the first ones, as peft reads them
FOLDER/model/             what came of it, and result.json beside it
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from labelbench_plus._torchvision_compat import install

REQUEST, EXAMPLES, START, MODEL, RESULT = "request.json", "examples.parquet", "start", "model", "result.json"


def main(folder: Path) -> None:
    install()  # this process is ours
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    request = json.loads((folder / REQUEST).read_text())
    model = _model(folder, request)
    arguments = SFTConfig(output_dir=str(folder / "output"), **request["arguments"])
    trainer = SFTTrainer(
        model,
        arguments,
        train_dataset=Dataset.from_parquet(str(folder / EXAMPLES), cache_dir=str(folder / "read")),
        processing_class=AutoTokenizer.from_pretrained(request["base"], local_files_only=True),
    )
    trainer.train()
    trainer.save_model(str(folder / MODEL))
    if trainer.accelerator.is_main_process:
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        (folder / RESULT).write_text(json.dumps({"steps": trainer.state.global_step, "losses": losses}))


def _model(folder: Path, request: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantized = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(
        request["base"],
        local_files_only=True,
        dtype=getattr(torch, request["dtype"]),
        quantization_config=quantized if request["four_bit"] else None,
    )
    if not (folder / START).is_dir():
        return model
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(str(folder / START))
    config.lora_dropout = request["dropout"]
    return PeftModel.from_pretrained(model, str(folder / START), config=config, is_trainable=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
