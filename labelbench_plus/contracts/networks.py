"""Networks: one file each. A network is a classifier trained by gradients: its layers and its initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    import torch

    from labelbench_plus.contracts.classifier import Classifier


@dataclass(frozen=True)
class Task:
    """What a network is built for.

    Attributes
    ----------
    shape: of one input: (d,) for features, (channels, height, width) for images.
    num_classes: K.
    class_names: of the K classes, in the order of the labels; empty if unknown.
    templates: the data set's prompts, with "{}" for the class name; may be empty.
    """

    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class Network(Plugin):
    """The architecture of a classifier and its first weights.

    Attributes
    ----------
    reads: what it is given: the problem's frozen "features" (n, d), or its "images" (n, c, h, w) with values in 0..1.
    """

    reads: ClassVar[Literal["features", "images"]]

    def build(self, task: Task, generator: torch.Generator) -> Classifier:
        """Make the classifier, on the CPU, in float32.

        Parameters
        ----------
        generator: for all random draws. The global generator is untouched.

        Raises
        ------
        ValueError
            The network cannot take such inputs.
        FileNotFoundError
            Its weights are missing; the message lists the ways to get them.
        """
        raise NotImplementedError

    def image_size(self) -> int | None:
        """Side of the squares to which images of different sizes are resized first; None if it has none.

        Only asked where a data set's images differ in size.
        """
        return None

    def fingerprint(self) -> str:
        """Hash of the weights it starts from, part of a run's identity; empty if they are drawn at random."""
        return ""


networks = Registry("network", Network, "labelbench_plus.networks")
