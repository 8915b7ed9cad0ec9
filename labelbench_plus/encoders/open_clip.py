"""Frozen features of the image tower of a model from open_clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from labelbench_plus.encoders import encoders
from labelbench_plus.encoders._pretrained import PretrainedEncoder
from labelbench_plus.models.open_clip import OpenClipModel
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference


@encoders.register("open_clip")
@dataclass(frozen=True)
class OpenClip(PretrainedEncoder):
    """Image embeddings of a CLIP model, or one of its kind, in float32. Needs the extra `clip`.

    Images are prepared as for the encoder `timm`, with the mean and standard deviation of the weights. Features are
    the same bits every time on one machine and device. Source: A. Radford et al., Learning transferable visual models
    from natural language supervision (2021).

    Parameters
    ----------
    model: its name in open_clip, such as "ViT-B-32-quickgelu", or "hf-hub:OWNER/NAME".
    weights: their source; there is no default, and never a fallback to untrained ones.
        "pretrained": those called `tag`, downloaded or from the hub's cache.
        "file": `file`, a checkpoint of open_clip's.
        "random-plumbing-test": untrained. A test of the plumbing; scores from it mean nothing.
    tag: which of the published weights, such as "openai" or "laion2b_s34b_b79k". With weights "file": which ones the
        file is a copy of; their mean and standard deviation are taken.
    normalise: whether embeddings are brought to length one, as for comparing them with texts.
    image_size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    device: "auto" takes a CUDA device if there is one.
    """

    title = "open_clip models"
    reference = Reference(
        ("Radford", "others"), 2021, "Learning transferable visual models from natural language supervision"
    )

    model: Annotated[str, Outside("the network", beginning="hf-hub:")]
    weights: Annotated[
        Literal["pretrained", "file", "random-plumbing-test"], Outside("the network", only=("pretrained",))
    ]
    tag: str | None = None
    normalise: bool = True
    image_size: Annotated[int, Field(ge=1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], Infra()] = "auto"

    def normalised(self) -> bool:
        return self.normalise

    def found(self) -> OpenClipModel:
        return OpenClipModel(self.model, self.weights, self.image_size, self.file, self.tag)
