"""The image tower of a model from open_clip, trained end to end, with a head made of the classes' names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge

from labelbench_plus.inputs import prompts
from labelbench_plus.models.open_clip import OpenClipModel
from labelbench_plus.networks import Task, networks
from labelbench_plus.networks._pretrained import PretrainedNetwork
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier

NAMED_TEMPLATES = {
    "imagenet": prompts.IMAGENET,
    "simple": prompts.SIMPLE,
    "fmow": prompts.FMOW,
    "iwildcam": prompts.IWILDCAM,
}


@networks.register("open_clip")
@dataclass(frozen=True)
class OpenClip(PretrainedNetwork):
    """An image tower and a linear head. Needs the extra `clip`.

    With head "zero_shot" training starts from the classifier that the text tower makes of the classes' names: the
    image's embedding of length one times, for each class, the mean embedding of its sentences at length one, times the
    model's scale of logits. This is LabelBench's start of fine-tuning (Radford et al., 2021; Wortsman et al., 2022).
    With head "zeros" the head sees embeddings as the tower gives them.

    Images are prepared inside the network, as for the network `timm`. The learning rate decays from block to block.

    Parameters
    ----------
    model: its name in open_clip, such as "ViT-B-32-quickgelu", or "hf-hub:OWNER/NAME".
    weights: their source; there is no default, and never a fallback to others.
        "pretrained": those called `tag`, downloaded or from the hub's cache.
        "file": `file`, a checkpoint of open_clip's.
        "scratch": drawn at random, as open_clip does, from the run's seed.
    tag: which of the published weights, such as "openai" or "laion2b_s34b_b79k". With weights "file": which ones the
        file is a copy of; their mean and standard deviation are taken.
    head: "zero_shot" or "zeros".
    template: the sentences that class names are put into: "own" for the data set's, or those of LabelBench called
        "imagenet" (80), "simple" (1), "fmow" or "iwildcam".
    size: side of the square the model sees; None for what the weights were trained with.
    file: the file of weights "file". What counts for a run's identity is its content, not where it lies.
    """

    title = "open_clip models"
    reference = Reference(
        ("Radford", "others"), 2021, "Learning transferable visual models from natural language supervision"
    )

    model: Annotated[str, Outside("the network", beginning="hf-hub:")]
    weights: Annotated[Literal["pretrained", "file", "scratch"], Outside("the network", only=("pretrained",))]
    tag: str | None = None
    head: Literal["zero_shot", "zeros"] = "zero_shot"
    template: Literal["own", "imagenet", "simple", "fmow", "iwildcam"] = "own"
    size: Annotated[int, Ge(1)] | None = None
    file: Annotated[Path | None, Infra(), Outside("files")] = None

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        import torch

        from labelbench_plus.networks._image_model import image_classifier

        found, zero_shot = self.found(), self.head == "zero_shot"
        templates = self._templates(task) if zero_shot else ()
        towers = found.towers(generator)
        classifier = image_classifier(found.image_tower(towers), task, self.name, normalised=zero_shot)
        if zero_shot:
            weights, bias = found.zero_shot(towers, task.class_names, templates)
            with torch.no_grad():
                classifier.head.weight.copy_(weights)  # type: ignore[operator]
                classifier.head.bias.fill_(bias)  # type: ignore[operator]
        return classifier

    def _templates(self, task: Task) -> tuple[str, ...]:
        if len(task.class_names) != task.num_classes:
            raise ValueError(
                f"network 'open_clip': a zero-shot head needs the names of all {task.num_classes} classes, the data "
                f"set has {len(task.class_names)}; choose head: zeros"
            )
        if self.template != "own":
            return NAMED_TEMPLATES[self.template]
        if not task.templates:
            raise ValueError(
                "network 'open_clip': the data set has no sentences of its own for class names; choose template: "
                f"{', '.join(NAMED_TEMPLATES)}"
            )
        return task.templates

    def found(self) -> OpenClipModel:
        return OpenClipModel(self.model, self.weights, self.size, self.file, self.tag)
