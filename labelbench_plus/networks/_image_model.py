"""A classifier on top of a pretrained image model."""

from __future__ import annotations

from labelbench_plus.contracts.classifier import Classifier
from labelbench_plus.models.image_model import Backbone
from labelbench_plus.models.images import Seeing, prefixed, width_of
from labelbench_plus.networks import Task
from labelbench_plus.networks._classifier import new_head


def image_classifier(backbone: Backbone, task: Task, network: str, *, normalised: bool = False) -> Classifier:
    """A head that starts at zero on what the model makes of images of any size.

    Parameters
    ----------
    network: its name, for messages.
    normalised: whether the head sees embeddings of length one.

    Raises
    ------
    ValueError
        The inputs are no grey or coloured images.
    """
    if len(task.shape) != 3 or task.shape[0] not in (1, 3):
        raise ValueError(
            f"network {network!r} takes images (1 or 3 channels, height, width), not inputs of shape {task.shape}"
        )
    head = new_head(width_of(backbone), task.num_classes)
    return Classifier(Seeing(backbone, normalised=normalised), head, prefixed(backbone.layers))
