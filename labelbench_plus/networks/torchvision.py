"""A vision model from torchvision, trained end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from labelbench_plus.models.torchvision import TorchvisionModel
from labelbench_plus.networks import networks
from labelbench_plus.networks._pretrained import PretrainedNetwork
from labelbench_plus.plugins import Infra, Outside


@networks.register("torchvision")
@dataclass(frozen=True)
class Torchvision(PretrainedNetwork):
    """A classification model without its last layer, and a linear head that starts at zero.

    Images are prepared inside the network, as for the network `timm`. Dropout and stochastic depth are off. The
    learning rate decays from block to block.

    Parameters
    ----------
    model: its name in torchvision, such as "resnet50" or "vit_b_16".
    weights: their source; there is no default, and never a fallback to others.
        "pretrained": those that torchvision downloads for this model, or has downloaded before.
        "file": `file`, a state dict with torchvision's names.
        "scratch": drawn at random, as torchvision does, from the run's seed.
    tag: which of the published weights, such as "IMAGENET1K_V2"; torchvision's choice if None.
    size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    """

    title = "torchvision models"

    model: str
    weights: Annotated[Literal["pretrained", "file", "scratch"], Outside("the network", only=("pretrained",))]
    tag: str | None = None
    size: Annotated[int, Ge(1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"model": "mobilenet_v3_small", "weights": "scratch", "size": 32}

    def found(self) -> TorchvisionModel:
        return TorchvisionModel(self.model, self.weights, self.size, self.file, self.tag)
