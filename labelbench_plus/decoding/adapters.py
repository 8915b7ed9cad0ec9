"""Low-rank adapters in peft's format: read without peft, checked against the model they are for, averaged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelbench_plus.algorithms.decoding.adapter_average import concatenated

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."


@dataclass(frozen=True)
class Adapter:
    """What is added to layers of a model.

    Attributes
    ----------
    layers: (A (r, in), B (out, r), scaling) by the layer's name in the model.
    """

    layers: Mapping[str, tuple[Tensor, Tensor, float]]

    def to(self, device: torch.device) -> Adapter:
        return Adapter({name: (a.to(device), b.to(device), s) for name, (a, b, s) in self.layers.items()})


def read_adapter(folder: Path, model: Any) -> Adapter:
    """A LoRA adapter that peft saved, for a model of transformers.

    Parameters
    ----------
    folder: with adapter_config.json and adapter_model.safetensors.
    model: the base model.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        Something else than plain LoRA (DoRA, biases, whole modules), or an adapter of another model.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: no {name}; a folder that peft's save_pretrained wrote has one")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    _check_plain(config, folder)
    from safetensors.torch import load_file

    halves: dict[str, dict[str, Tensor]] = {}
    parts = dict(model.named_modules())
    for key, tensor in load_file(folder / WEIGHTS).items():
        if key.endswith(".base_layer.weight") and _is_own(tensor, parts, key):
            continue  # peft writes the head out again beside an adapter on it
        found = re.fullmatch(rf"{re.escape(PREFIX)}(.+)\.lora_(A|B)\.weight", key)
        if not found:
            raise ValueError(f"{folder}: {key!r} is no part of plain LoRA on linear layers")
        halves.setdefault(found[1], {})[found[2]] = tensor
    layers = {}
    for name, half in halves.items():
        if half.keys() != {"A", "B"} or half["A"].ndim != 2 or half["B"].ndim != 2:
            raise ValueError(f"{folder}: layer {name!r} lacks one of its two matrices")
        if name not in parts:
            raise ValueError(f"{folder}: the model has no layer {name!r}; the adapter belongs to another one")
        shape, wanted = (half["B"].shape[0], half["A"].shape[1]), _shape(parts[name])
        if half["A"].shape[0] != half["B"].shape[1] or shape != wanted:
            raise ValueError(f"{folder}: layer {name!r}: expected an adapter for weights {wanted}, got {shape}")
        layers[name] = (half["A"], half["B"], _scaling(config, name, half["A"].shape[0]))
    if not layers:
        raise ValueError(f"{folder}: an adapter without layers")
    return Adapter(layers)


def soup(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """One adapter that adds the weighted sum of what several add: exact, its rank is the sum of theirs.

    Raises
    ------
    ValueError
        No adapter, or another number of weights.
    """
    if not adapters or len(adapters) != len(weights):
        raise ValueError(f"expected a weight for each of one adapter or more, got {len(weights)} for {len(adapters)}")
    layers = {}
    for name in sorted(set().union(*(each.layers for each in adapters))):
        having = [index for index, each in enumerate(adapters) if name in each.layers]
        down, up = concatenated([adapters[i].layers[name] for i in having], [weights[i] for i in having])
        layers[name] = (down, up, 1.0)
    return Adapter(layers)


def _check_plain(config: Mapping[str, Any], folder: Path) -> None:
    if config.get("peft_type") != "LORA":
        raise ValueError(f"{folder}: expected a LoRA adapter, got {config.get('peft_type')!r}")
    if config.get("bias", "none") != "none":
        raise ValueError(f"{folder}: bias: {config['bias']!r} changes the model outside the adapter; train with 'none'")
    for key in ("use_dora", "modules_to_save", "layer_replication", "alora_invocation_tokens", "lora_bias"):
        if config.get(key):
            raise ValueError(f"{folder}: {key} is more than plain LoRA, which alone can be combined exactly")


def _scaling(config: Mapping[str, Any], name: str, rank: int) -> float:
    alpha = config["lora_alpha"]
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            alpha = value
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _is_own(tensor: Tensor, parts: Mapping[str, Any], key: str) -> bool:
    """Whether the weights that a key names are those that the model has there."""
    part = parts.get(key.removeprefix(PREFIX).removesuffix(".base_layer.weight"))
    return part is not None and torch.equal(part.weight.detach().cpu().to(tensor.dtype), tensor)


def _shape(layer: Any) -> tuple[int, int]:
    """(out, in) of a linear layer, or of GPT-2's, whose weights lie the other way."""
    if isinstance(layer, torch.nn.Linear):
        return layer.out_features, layer.in_features
    if type(layer).__name__ == "Conv1D":
        return layer.weight.shape[1], layer.weight.shape[0]
    raise ValueError(f"{type(layer).__name__}: only adapters on linear layers can be combined")


def write_adapter(adapter: Adapter, folder: Path, base: str) -> None:
    """Write an adapter of one rank and scaling as peft does, so that peft loads it.

    Parameters
    ----------
    base: name or folder of the model it is for.

    Raises
    ------
    ValueError
        Layers of different ranks or scalings.
    """
    from safetensors.torch import save_file

    kinds = {(a.shape[0], scaling) for a, _, scaling in adapter.layers.values()}
    if len(kinds) != 1:
        raise ValueError(f"expected layers of one rank and scaling, got {sorted(kinds)}")
    ((rank, scaling),) = kinds
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": scaling * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(adapter.layers),
        "inference_mode": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {
        f"{PREFIX}{name}.lora_{half}.weight": tensor.contiguous()
        for name, layer in adapter.layers.items()
        for half, tensor in zip("AB", layer[:2], strict=True)
    }
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
