"""Frozen features of a vision model from torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from labelbench_plus.encoders import encoders
from labelbench_plus.encoders._pretrained import PretrainedEncoder
from labelbench_plus.models.torchvision import TorchvisionModel
from labelbench_plus.plugins import Infra, Outside


@encoders.register("torchvision")
@dataclass(frozen=True)
class Torchvision(PretrainedEncoder):
    """What a classification model of torchvision passes to its last layer, in float32.

    Images are prepared as for the encoder `timm`: the shorter side is brought to `image_size` and the centre cut out.
    (torchvision's own recipes cut a border away as well.) Features are the same bits every time on one machine and
    device.

    Parameters
    ----------
    model: its name in torchvision, such as "resnet50" or "vit_b_16".
    weights: their source; there is no default, and never a fallback to untrained ones.
        "pretrained": those that torchvision downloads for this model, or has downloaded before.
        "file": `file`, a state dict with torchvision's names.
        "random-plumbing-test": untrained. A test of the plumbing; scores from it mean nothing.
    tag: which of the published weights, such as "IMAGENET1K_V2"; torchvision's choice if None.
    image_size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.

    Example
    -------
    encoder: {name: torchvision, model: resnet18, weights: pretrained}
    """

    title = "torchvision models"

    model: str
    weights: Annotated[
        Literal["pretrained", "file", "random-plumbing-test"], Outside("the network", only=("pretrained",))
    ]
    tag: str | None = None
    image_size: Annotated[int, Field(ge=1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"model": "mobilenet_v3_small", "weights": "random-plumbing-test", "image_size": 32}

    def found(self) -> TorchvisionModel:
        return TorchvisionModel(self.model, self.weights, self.image_size, self.file, self.tag)
