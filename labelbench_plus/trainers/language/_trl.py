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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch

from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language import worker
from labelbench_plus.language.adapters import WEIGHTS, Adapter, own_copy
from labelbench_plus.language.examples import Example, examples, plan
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.models.weights import library
from labelbench_plus.seeding import torch_generator

if TYPE_CHECKING:
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper
    from labelbench_plus.trainers.language._dpo import Pair, Pairs

TOLD = 4000  # characters of what failed processes said


@dataclass(frozen=True)
class Task:
    """What TRL is to do.

    Attributes
    ----------
    method: which of TRL's trainers.
    rows: what is read, in this order, as its trainer names it.
    arguments: of its trainer, beside those that all have.
    steps: that it is expected to take; None if that is its own affair.
    together: rows that pass the model together, at most.
    tokens: of all rows.
    pad: a token that ends no text, where it matters.
    """

    method: Literal["sft", "dpo", "reward"]
    rows: pa.Table
    arguments: Mapping[str, Any]
    steps: int | None
    together: int
    tokens: int
    pad: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    learned: an adapter, or a whole model; `state` is its state.
    tokens: that were read.
    head: (h,) float32, of rewards.
    """

    learned: Any
    state: Mapping[str, torch.Tensor]
    losses: Sequence[float]
    steps: int
    tokens: int
    head: torch.Tensor | None = None

    def last(self, parts: int) -> float:
        """The mean loss of the last of so many equal parts of the steps, of one step at least."""
        return float(np.mean(self.losses[-max(1, len(self.losses) // parts) :]))


def trained(trainer: Any, data: InstructionData, streams: Streams, keeper: Keeper) -> LanguageModel:
    """The model that TRL makes of demonstrations.

    Parameters
    ----------
    trainer: `trl_sft`.
    """
    base = data.base
    shown = (*data.seed, *data.bought)
    if not shown:
        return LanguageModel(base, data.template)
    check(trainer, base)
    found = examples(LanguageModel(base, data.template).format, shown, min(trainer.max_tokens, base.context))
    steps = plan([len(each.ids) for each in found], trainer.batch, trainer.epochs, streams.rng("data_order"))
    rows = [found[row] for rows in steps for row in rows]
    table = pa.table(
        {
            "input_ids": [list(each.ids) for each in rows],
            "completion_mask": [[int(place >= each.prompt) for place in range(len(each.ids))] for each in rows],
        }
    )
    arguments = {
        "num_train_epochs": 1,
        "max_length": trainer.max_tokens,
        "packing": trainer.packing,
        "completion_only_loss": trainer.supervised == "answers",
    }
    expected = None if trainer.packing else math.ceil(len(rows) / trainer.batch)
    tokens = sum(len(each.ids) for each in rows)
    outcome = by_trl(trainer, base, streams, Task("sft", table, arguments, expected, trainer.at_once, tokens))
    notes = {
        "steps": float(outcome.steps),
        "loss": outcome.last(trainer.epochs),
        "train_tokens": float(tokens),
        "supervised_tokens": float(
            trainer.epochs * sum(len(each.ids) - each.first(trainer.supervised) for each in found)
        ),
    }
    keeper.keep({"learned": outcome.state, "notes": notes})
    return LanguageModel(base, data.template, outcome.learned, notes)


def preferred(trainer: Any, data: PreferenceData, given: Pairs, streams: Streams) -> Outcome:
    """What TRL makes of pairs, by DPO.

    Parameters
    ----------
    trainer: `trl_dpo`.
    """
    texts = _texts(data, given.pairs, trainer)
    rows, tokens = _order(texts, trainer, streams)
    table = pa.table(
        {
            "prompt_ids": [list(texts[2 * row].ids[: texts[2 * row].prompt]) for row in rows],
            "chosen_ids": [list(texts[2 * row].ids[texts[2 * row].prompt :]) for row in rows],
            "rejected_ids": [list(texts[2 * row + 1].ids[texts[2 * row + 1].prompt :]) for row in rows],
        }
    )
    arguments = {
        "max_steps": trainer.steps,
        "max_length": trainer.max_tokens,
        "beta": trainer.beta,
        "loss_type": ["sigmoid", "sft"] if trainer.sft else ["sigmoid"],
        "loss_weights": [1.0, trainer.sft] if trainer.sft else None,
        "disable_dropout": not trainer.dropout,
    }
    task = Task("dpo", table, arguments, trainer.steps, max(1, trainer.at_once // 2), tokens)
    return by_trl(trainer, data.base, streams, task)


def rewarded(trainer: Any, data: PreferenceData, given: Pairs, streams: Streams) -> Outcome:
    """What TRL makes of pairs as a reward.

    Parameters
    ----------
    trainer: `trl_reward`.
    """
    texts = _texts(data, given.pairs, trainer)
    rows, tokens = _order(texts, trainer, streams)
    table = pa.table(
        {
            "chosen_ids": [list(texts[2 * row].ids) for row in rows],
            "rejected_ids": [list(texts[2 * row + 1].ids) for row in rows],
        }
    )
    ends = {each.ids[-1] for each in texts}
    arguments = {
        "max_steps": trainer.steps,
        "max_length": trainer.max_tokens,
        "disable_dropout": not trainer.dropout,
    }
    pad = next(token for token in range(len(ends) + 1) if token not in ends)
    task = Task("reward", table, arguments, trainer.steps, max(1, trainer.at_once // 2), tokens, pad)
    return by_trl(trainer, data.base, streams, task)


def _texts(data: PreferenceData, pairs: Sequence[Pair], trainer: Any) -> list[Example]:
    """The better and the worse response of each pair, one after the other."""
    said = [Demonstration(each.prompt, text) for each in pairs for text in (each.better, each.worse)]
    form = LanguageModel(data.base, data.template).format
    return examples(form, said, min(trainer.max_tokens, data.base.context))


def _order(texts: Sequence[Example], trainer: Any, streams: Streams) -> tuple[list[int], int]:
    """The pairs that all steps read, in their order, epoch after epoch; and their tokens."""
    each = [len(text.ids) for text in texts]
    lengths = [better + worse for better, worse in zip(each[::2], each[1::2], strict=True)]
    wanted = trainer.steps * trainer.batch
    steps = plan(lengths, trainer.batch, -(-wanted // len(lengths)), streams.rng("data_order"))
    rows = [row for some in steps for row in some.tolist()][:wanted]
    return rows, sum(lengths[row] for row in rows)


def check(trainer: Any, base: OpenBase) -> None:
    """Refuse, before any work, what cannot be done here.

    Raises
    ------
    ModuleNotFoundError
        TRL is not installed.
    ValueError
        Something needs CUDA devices, and there are none.
    """
    if importlib.util.find_spec("trl") is None:  # not imported: it takes seconds, and settles much for its process
        library("trl", "trl")
    for wanted, what in ((trainer.four_bit, "four_bit: true needs"), (trainer.processes > 1, "several processes need")):
        if wanted and base.device.type != "cuda":
            raise ValueError(f"{what} CUDA devices, and this runs on {base.device}")


def by_trl(trainer: Any, base: OpenBase, streams: Streams, task: Task) -> Outcome:
    """Have TRL do it, from the base on.

    Parameters
    ----------
    trainer: a `ByTrl`.
    """
    with tempfile.TemporaryDirectory(prefix="trl.") as place:
        folder = Path(place)
        if trainer.tune == "lora":
            generator = torch_generator(streams.rng("model_init"))
            (folder / worker.START).mkdir()
            first = Adapter.drawn(base, trainer.rank, trainer.alpha, generator, trainer.layers)
            head = {worker.HEAD_WEIGHT: torch.zeros(1, base.width)} if task.method == "reward" else {}
            first.save(folder / worker.START, str(base.plugin.path()), head)
        parquet.write_table(task.rows, folder / worker.EXAMPLES)
        request = _request(trainer, base, streams, task)
        (folder / worker.REQUEST).write_text(json.dumps(request, indent=1))
        _launch(folder, trainer, on_cpu=base.device.type == "cpu")
        result = json.loads((folder / worker.RESULT).read_text())
        if task.steps is not None and result["steps"] != task.steps:
            raise RuntimeError(
                f"TRL took {result['steps']} steps instead of {task.steps} of {trainer.batch} examples: is the number "
                f"of processes ({trainer.processes}) what the configuration in `launch` says?"
            )
        learned: Any
        if trainer.tune == "lora":
            learned = Adapter.load(folder / worker.MODEL, base.device)
            state = learned.state()
        else:
            learned = _whole(folder / worker.MODEL, base)
            state = learned.state_dict()
        found = _head(folder / worker.MODEL) if task.method == "reward" else None
    return Outcome(learned, state, result["losses"], result["steps"], task.tokens, found)


def _request(trainer: Any, base: OpenBase, streams: Streams, task: Task) -> dict[str, Any]:
    each_device = trainer.batch // trainer.processes
    together = next(size for size in range(min(task.together, each_device), 0, -1) if each_device % size == 0)
    bfloat16 = base.precision == "bfloat16"
    arguments = {
        "per_device_train_batch_size": together,
        "gradient_accumulation_steps": each_device // together,
        "learning_rate": trainer.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": trainer.warmup,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.clip,
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": base.device.type == "cuda",
        "bf16": bfloat16,
        "use_cpu": base.device.type == "cpu",
        "seed": int(streams.rng("trl").integers(2**31)),
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **task.arguments,
    }
    return {
        "method": task.method,
        "base": str(base.plugin.path()),
        "dtype": "bfloat16" if bfloat16 and trainer.tune == "lora" else "float32",
        "four_bit": trainer.four_bit,
        "dropout": trainer.dropout,
        "pad": task.pad,
        "arguments": arguments,
    }


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


def _whole(folder: Path, base: OpenBase) -> Any:
    transformers = library("transformers", "language")
    found = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    model = own_copy(base)
    model.load_state_dict(found.state_dict())
    return model


def _head(folder: Path) -> torch.Tensor:
    """(h,) float32 the weights of a reward's head, which peft saves beside the adapter."""
    from safetensors.torch import load_file

    return load_file(folder / WEIGHTS)[worker.HEAD_WEIGHT].float().flatten()
