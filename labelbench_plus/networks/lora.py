"""Low-rank changes of another network's weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt

from labelbench_plus.networks import Network, Task, networks
from labelbench_plus.plugins import From
from labelbench_plus.pretrained.weights import lent_generator, library

if TYPE_CHECKING:
    import torch
    from torch import nn

    from labelbench_plus.networks._classifier import Classifier


@networks.register("lora")
@dataclass(frozen=True)
class Lora(Network):
    """Another network whose weights W stay as they are: trained are W + alpha/rank · BA, and the head.

    A (rank, inputs) starts at random and B (outputs, rank) at zero, so that the network starts as it was. Carried out
    by peft; needs the extra `lora`. Source: E. Hu et al., LoRA: low-rank adaptation of large language models (2021),
    which adapts the projections of attention only.

    Parameters
    ----------
    of: the network.
    rank, alpha: of the changes.
    modules: which of its parts are changed, by the ends of their names ("attn.qkv", "mlp.fc1"); all linear and
        attention layers if empty.
    """

    of: Annotated[Network, From("networks")]
    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    modules: tuple[str, ...] = ()

    @property
    def reads(self) -> Literal["features", "images"]:  # type: ignore[override]
        return self.of.reads

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        """As of `of`; raises ValueError too where no part has one of the names."""
        peft = library("peft", "lora")
        classifier = self.of.build(task, generator)
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0,
            bias="none",
            target_modules="|".join(map(re.escape, self._chosen(classifier.backbone))),
        )
        with lent_generator(generator):
            peft.inject_adapter_in_model(config, classifier.backbone)
        for name, parameter in classifier.backbone.named_parameters():
            parameter.requires_grad_("lora_" in name)
        return classifier

    def _chosen(self, backbone: nn.Module) -> list[str]:
        from torch import nn

        parts = dict(backbone.named_modules())
        attention = [f"{name}." for name, part in parts.items() if isinstance(part, nn.MultiheadAttention)]
        # what lies inside an attention layer is changed with it, and its forward pass would not see other parts
        outside = {name: part for name, part in parts.items() if not name.startswith(tuple(attention))}
        if not self.modules:
            chosen = [name for name, part in outside.items() if isinstance(part, nn.Linear | nn.MultiheadAttention)]
            if not chosen:
                raise ValueError(
                    f"network 'lora': {self.of.name!r} has no linear or attention layers; name other parts in modules"
                )
            return chosen
        missing = [end for end in self.modules if not any(name == end or name.endswith(f".{end}") for name in outside)]
        if missing:
            raise ValueError(
                f"network 'lora': no part of {self.of.name!r} is called {' or '.join(missing)}; there are "
                f"{', '.join(name for name, part in outside.items() if isinstance(part, nn.Linear | nn.Conv2d))[:300]}"
            )
        return [name for name in outside if any(name == end or name.endswith(f".{end}") for end in self.modules)]

    def image_size(self) -> int | None:
        return self.of.image_size()

    def fingerprint(self) -> str:
        return self.of.fingerprint()
