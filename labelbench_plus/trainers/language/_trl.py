"""How a training is handed to TRL's processes, and what came of it is taken back."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch

from labelbench_plus.language import worker
from labelbench_plus.language.adapters import Adapter, own_copy
from labelbench_plus.language.examples import Example, examples, plan
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.models.weights import library
from labelbench_plus.seeding import torch_generator

if TYPE_CHECKING:
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper

TOLD = 4000  # characters of what failed processes said


def trained(trainer: Any, data: InstructionData, streams: Streams, keeper: Keeper) -> LanguageModel:
    """The model that TRL makes of the data.

    Parameters
    ----------
    trainer: `trl_sft`.
    """
    base = data.base
    shown = (*data.seed, *data.bought)
    if not shown:
        return LanguageModel(base, data.template)
    if importlib.util.find_spec("trl") is None:  # not imported: it takes seconds, and settles much for its process
        library("trl", "trl")
    for wanted, what in ((trainer.four_bit, "four_bit: true needs"), (trainer.processes > 1, "several processes need")):
        if wanted and base.device.type != "cuda":
            raise ValueError(f"{what} CUDA devices, and this runs on {base.device}")
    found = examples(LanguageModel(base, data.template).format, shown, min(trainer.max_tokens, base.context))
    steps = plan([len(each.ids) for each in found], trainer.batch, trainer.epochs, streams.rng("data_order"))
    with tempfile.TemporaryDirectory(prefix="trl_sft.") as place:
        folder = Path(place)
        if trainer.tune == "lora":
            generator = torch_generator(streams.rng("model_init"))
            (folder / worker.START).mkdir()
            first = Adapter.drawn(base, trainer.rank, trainer.alpha, generator, trainer.layers)
            first.save(folder / worker.START, str(base.plugin.path()))
        _write(folder, [found[row] for rows in steps for row in rows], trainer, data, streams)
        _launch(folder, trainer, on_cpu=base.device.type == "cpu")
        result = json.loads((folder / worker.RESULT).read_text())
        expected = math.ceil(sum(map(len, steps)) / trainer.batch)
        if not trainer.packing and result["steps"] != expected:
            raise RuntimeError(
                f"TRL took {result['steps']} steps instead of {expected} of {trainer.batch} examples: is the number of "
                f"processes ({trainer.processes}) what the configuration in `launch` says?"
            )
        learned: Any
        if trainer.tune == "lora":
            learned = Adapter.load(folder / worker.MODEL, base.device)
            state = learned.state()
        else:
            learned = _whole(folder / worker.MODEL, data)
            state = learned.state_dict()
    last = result["losses"][-max(1, len(result["losses"]) // trainer.epochs) :]
    notes = {
        "steps": float(result["steps"]),
        "loss": float(np.mean(last)),
        "train_tokens": float(trainer.epochs * sum(len(each.ids) for each in found)),
        "supervised_tokens": float(
            trainer.epochs * sum(len(each.ids) - each.first(trainer.supervised) for each in found)
        ),
    }
    keeper.keep({"learned": state, "notes": notes})
    return LanguageModel(base, data.template, learned, notes)


def _write(folder: Path, rows: Sequence[Example], trainer: Any, data: InstructionData, streams: Streams) -> None:
    """The request, and the examples of all epochs in their order."""
    table = pa.table(
        {
            "input_ids": [list(each.ids) for each in rows],
            "completion_mask": [[int(place >= each.prompt) for place in range(len(each.ids))] for each in rows],
        }
    )
    parquet.write_table(table, folder / worker.EXAMPLES)
    each_device = trainer.batch // trainer.processes
    together = next(size for size in range(min(trainer.at_once, each_device), 0, -1) if each_device % size == 0)
    bfloat16 = data.base.precision == "bfloat16"
    arguments = {
        "per_device_train_batch_size": together,
        "gradient_accumulation_steps": each_device // together,
        "num_train_epochs": 1,
        "learning_rate": trainer.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": trainer.warmup,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.clip,
        "optim": "adamw_torch_fused",
        "max_length": trainer.max_tokens,
        "packing": trainer.packing,
        "completion_only_loss": trainer.supervised == "answers",
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": data.base.device.type == "cuda",
        "bf16": bfloat16,
        "use_cpu": data.base.device.type == "cpu",
        "seed": int(streams.rng("trl").integers(2**31)),
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    request = {
        "base": str(data.base.plugin.path()),
        "dtype": "bfloat16" if bfloat16 and trainer.tune == "lora" else "float32",
        "four_bit": trainer.four_bit,
        "dropout": trainer.dropout,
        "arguments": arguments,
    }
    (folder / worker.REQUEST).write_text(json.dumps(request, indent=1))


def _launch(folder: Path, trainer: Any, *, on_cpu: bool) -> None:
    """Run the processes to their end; they end when this one does.

    Raises
    ------
    RuntimeError
        They failed; the message ends with what they said last.
    """
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(trainer.processes)]
    command += ["--config_file", str(trainer.launch)] if trainer.launch else ["--num_machines", "1"]
    command += ["--cpu"] if on_cpu else []
    command += ["--multi_gpu"] if trainer.processes > 1 and not trainer.launch else []
    command += ["--module", worker.__name__, str(folder)]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    log = folder / "log"
    with open(log, "wb") as said:
        done = subprocess.run(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **quiet},
            preexec_fn=_ends_with_parent if sys.platform.startswith("linux") else None,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"TRL's processes failed ({done.returncode}): …{log.read_text(errors='replace')[-TOLD:]}")


def _ends_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _whole(folder: Path, data: InstructionData) -> Any:
    transformers = library("transformers", "language")
    found = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    model = own_copy(data.base)
    model.load_state_dict(found.state_dict())
    return model
