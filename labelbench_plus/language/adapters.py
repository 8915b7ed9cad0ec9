"""What a model has beyond its base: low-rank changes that are put on for a while, or weights of its own."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelbench_plus.language.base import OpenBase

PREFIX = "base_model.model."  # of peft's names
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """Low-rank changes of linear layers: W + alpha/rank · BA, with A (rank, inputs) and B (outputs, rank) in float32.

    Nothing of the base is touched: `worn` adds the changes to what its layers return, for as long as it lasts. Source:
    E. Hu et al., LoRA: low-rank adaptation of large language models (2021). Its files are those of peft.

    Attributes
    ----------
    rank, alpha: as above.
    weights: (A, B) by the name of the layer in the base.
    """

    rank: int
    alpha: float
    weights: Mapping[str, tuple[Tensor, Tensor]]

    @classmethod
    def drawn(
        cls, base: OpenBase, rank: int, alpha: float, generator: torch.Generator, top: int | None = None
    ) -> Adapter:
        """A new one that changes nothing yet: A is drawn as peft draws it (uniformly, on the CPU), B is zero.

        Parameters
        ----------
        top: so many of the upper layers are changed; all if None.

        Raises
        ------
        ValueError
            The base has no linear layers, or not so many.
        """
        weights = {}
        for name, layer in targets(base, top).items():
            first = torch.empty(rank, layer.in_features)
            nn.init.kaiming_uniform_(first, a=math.sqrt(5), generator=generator)
            weights[name] = first.to(base.device), torch.zeros(layer.out_features, rank, device=base.device)
        return cls(rank, alpha, weights)

    def parameters(self) -> list[Tensor]:
        return [each for pair in self.weights.values() for each in pair]

    @contextmanager
    def worn(self, base: OpenBase, dropout: float = 0.0) -> Iterator[Any]:
        """The base's model with these changes added.

        Parameters
        ----------
        dropout: of what the changes read, drawn from torch's global generator.
        """
        scale = self.alpha / self.rank
        with ExitStack() as stack:
            for name, (first, second) in self.weights.items():

                def add(
                    layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, a: Tensor = first, b: Tensor = second
                ) -> Tensor:
                    read = F.dropout(inputs[0], dropout) if dropout else inputs[0]
                    changed = F.linear(F.linear(read, a), b)  # in bfloat16 where the base is, by autocast
                    return output + (scale * changed).to(output.dtype)

                handle = base.model.get_submodule(name).register_forward_hook(add)
                stack.callback(handle.remove)
            yield base.model

    def state(self) -> dict[str, Tensor]:
        """The weights under peft's names."""
        found = {}
        for name, (first, second) in self.weights.items():
            found[f"{PREFIX}{name}.lora_A.weight"], found[f"{PREFIX}{name}.lora_B.weight"] = first, second
        return found

    @classmethod
    def of_state(cls, rank: int, alpha: float, state: Mapping[str, Tensor]) -> Adapter:
        """The adapter with these weights."""
        end = ".lora_A.weight"
        names = [name.removeprefix(PREFIX).removesuffix(end) for name in state if name.endswith(end)]
        pairs = {name: tuple(state[f"{PREFIX}{name}.lora_{part}.weight"] for part in "AB") for name in names}
        return cls(rank, alpha, pairs)  # type: ignore[arg-type]

    def save(self, folder: Path, base_model: str, beside: Mapping[str, Tensor] | None = None) -> None:
        """Write what peft's `PeftModel.from_pretrained(model, folder)` reads.

        Parameters
        ----------
        base_model: the name of the model that is changed.
        beside: other weights that peft reads from there, by its names.
        """
        from safetensors.torch import save_file

        state = {**self.state(), **(beside or {})}
        save_file({name: weight.detach().cpu().contiguous() for name, weight in state.items()}, folder / WEIGHTS)
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base_model,
            "inference_mode": True,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": list(self.weights),
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=1))

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> Adapter:
        """The adapter that `save` wrote."""
        from safetensors.torch import load_file

        config = json.loads((folder / CONFIG).read_text())
        return cls.of_state(config["r"], config["lora_alpha"], load_file(folder / WEIGHTS, str(device)))


def targets(base: OpenBase, top: int | None) -> dict[str, nn.Linear]:
    """The linear layers that an adapter changes, by name: those of the decoder, in its `top` layers or in all."""
    home = next(name for name, part in base.model.named_modules() if part is base.layers)
    count = len(base.layers)
    if top is not None and not 1 <= top <= count:
        raise ValueError(f"layers: {top} of {count} layers cannot be trained; give 1 to {count}, or null for all")
    lowest = 0 if top is None else count - top
    found = {}
    for number in range(lowest, count):
        for name, part in base.layers[number].named_modules():
            if isinstance(part, nn.Linear):
                found[f"{home}.{number}.{name}"] = part
    if not found:
        raise ValueError(f"{type(base.model).__name__} has no linear layers in its decoder; train it with lora: null")
    return found


def learned_of(base: OpenBase, state: Mapping[str, Tensor], lora: tuple[int, float] | None) -> Adapter | nn.Module:
    """What was learned, from its state: an adapter of this rank and alpha, or a whole model."""
    if lora is not None:
        return Adapter.of_state(*lora, state)
    model: nn.Module = own_copy(base)
    model.load_state_dict(state)
    return model


def state_of(learned: Adapter | nn.Module) -> dict[str, Tensor]:
    """The state of what was learned, as `learned_of` takes it."""
    state = learned.state() if isinstance(learned, Adapter) else learned.state_dict()
    return {name: value.detach() for name, value in state.items()}


def own_copy(base: OpenBase) -> Any:
    """The base's model with weights of its own in float32, as they are before training."""
    return copy.deepcopy(base.model).float()
