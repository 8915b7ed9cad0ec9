"""Low-rank changes of another network's weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt

from labelbench_plus.models.weights import lent_generator, library
from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.plugins import From
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    import torch
    from torch import nn

    from labelbench_plus.contracts.classifier import Classifier


@networks.register("lora")
@dataclass(frozen=True)
class Lora(Network):
    """Another network with frozen weights W: what is trained is BA in W + alpha/rank · BA, and the head.

    A (rank, inputs) starts at random and B (outputs, rank) at zero, so that the network starts as it was. Of torch's
    own attention layers the projections to queries, keys and values are changed, which lie in one matrix there and so
    share A. Carried out by peft; needs the extra `lora`. Source: E. Hu et al., LoRA: low-rank adaptation of large
    language models (2021), which changes projections of attention only.

    Parameters
    ----------
    of: the network.
    rank, alpha: of the changes.
    modules: which of its parts are changed, by the ends of their names ("attn.qkv", "mlp.fc1"); all linear and
        attention layers if empty.
    """

    title = "LoRA"
    reference = Reference(("Hu", "others"), 2021, "LoRA: low-rank adaptation of large language models")

    of: Annotated[Network, From("networks")]
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    modules: tuple[str, ...] = ()

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"of": "perceptron"}

    @property
    def reads(self) -> Literal["features", "images"]:  # type: ignore[override]
        return self.of.reads

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        """As of `of`; raises ValueError too where no part has one of the names."""
        from torch import nn

        peft = library("peft", "lora")
        classifier = self.of.build(task, generator)
        chosen = self._chosen(classifier.backbone)
        attention = [name for name, part in chosen.items() if isinstance(part, nn.MultiheadAttention)]
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0,
            bias="none",
            target_modules="|".join(re.escape(name) for name in chosen if name not in attention),
            # As a module, peft would write B A into such a layer's weights and take it out again at every pass.
            target_parameters=[f"{name}.in_proj_weight" for name in attention],
        )
        with lent_generator(generator):
            peft.inject_adapter_in_model(config, classifier.backbone)
        for name, parameter in classifier.backbone.named_parameters():
            parameter.requires_grad_("lora_" in name)
        return classifier

    def _chosen(self, backbone: nn.Module) -> dict[str, nn.Module]:
        """The parts to change, by name."""
        from torch import nn

        kinds = (nn.Linear, nn.Conv2d, nn.MultiheadAttention)
        parts = {name: part for name, part in backbone.named_modules() if isinstance(part, kinds)}
        inside = tuple(f"{name}." for name, part in parts.items() if isinstance(part, nn.MultiheadAttention))
        parts = {name: part for name, part in parts.items() if not name.startswith(inside)}
        if not self.modules:
            chosen: dict[str, nn.Module] = {k: part for k, part in parts.items() if not isinstance(part, nn.Conv2d)}
            if not chosen:
                raise ValueError(
                    f"network 'lora': {self.of.name!r} has no linear or attention layers; name other parts in modules"
                )
            return chosen
        chosen = {}
        for end in self.modules:
            found = {name: part for name, part in parts.items() if name == end or name.endswith(f".{end}")}
            if not found:
                known = ", ".join(parts)
                raise ValueError(
                    f"network 'lora': no linear, convolutional or attention layer of {self.of.name!r} is called "
                    f"{end!r}; there are {known[:300]}{' …' if len(known) > 300 else ''}"
                )
            chosen |= found
        return chosen

    def image_size(self) -> int | None:
        return self.of.image_size()

    def fingerprint(self) -> str:
        return self.of.fingerprint()
