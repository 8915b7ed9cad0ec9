"""Frozen features of a vision model from torchvision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from labelbench_plus.encoders import Encoder, encoders
from labelbench_plus.encoders._inputs import check_images
from labelbench_plus.inputs.image_files import ImageFiles
from labelbench_plus.models.torchvision import TorchvisionModel
from labelbench_plus.plugins import Infra


@encoders.register("torchvision")
@dataclass(frozen=True)
class Torchvision(Encoder):
    """What a model of classification from torchvision hands to its last layer, in float32.

    Images are prepared as for the encoder `timm`: the shorter side is brought to `image_size` and the centre cut out.
    (torchvision's own recipes cut a border away as well.) Features are the same bits every time on one machine and
    device.

    Parameters
    ----------
    model: its name in torchvision, such as "resnet50" or "vit_b_16".
    weights: where they come from; there is no default, and nothing ever falls back on untrained ones.
        "pretrained": those that torchvision downloads for this model, or has downloaded before.
        "file": `file`, a state dict with torchvision's names.
        "random-plumbing-test": untrained. A test of the plumbing; scores from it mean nothing.
    tag: which of the published weights, such as "IMAGENET1K_V2"; torchvision's choice if None.
    image_size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.
    """

    model: str
    weights: Literal["pretrained", "file", "random-plumbing-test"]
    tag: str | None = None
    image_size: Annotated[int, Field(ge=1)] | None = None
    file: Annotated[Path | None, Infra()] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"model": "mobilenet_v3_small", "weights": "random-plumbing-test", "image_size": 32}

    def fit(self, pool_inputs: np.ndarray | ImageFiles) -> Callable[[np.ndarray | ImageFiles], np.ndarray]:
        """Load the model; the pool is not looked at.

        Raises
        ------
        ValueError
            The inputs are no images, torchvision has no such model or tag, or the weights are not of this model.
        FileNotFoundError
            The weights cannot be had; the message lists the ways to get them.
        """
        from labelbench_plus.encoders._images import encode_images

        check_images(pool_inputs, self.name)
        return encode_images(self.name, self._found().load(), self.device)

    def side(self) -> int:
        return self._found().side()

    def fingerprint(self) -> str:
        """Hash of the file of weights; where torchvision keeps it or there is none, of the loaded tensors by name."""
        return self._found().fingerprint()

    def _found(self) -> TorchvisionModel:
        return TorchvisionModel(self.model, self.weights, self.image_size, self.file, self.tag)
