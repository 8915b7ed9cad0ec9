"""Augmentations: one file each. An augmentation changes inputs in ways that keep their class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Augmentation(Plugin):
    """Two strengths of change, applied to each input of a batch independently.

    Attributes
    ----------
    of: what it changes: "images" (b, c, h, w) with values in 0..1, or "features" (b, d).
    """

    of: ClassVar[Literal["images", "features"]]

    def mirroring(self) -> str | None:
        """What to set so that nothing is mirrored ("flip: false"); None if nothing is."""
        return None

    def weak(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A batch of the same shape, changed a little. All random draws come from `generator`, on the CPU."""
        raise NotImplementedError

    def strong(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A batch of the same shape, changed a lot."""
        raise NotImplementedError


augmentations = Registry("augmentation", Augmentation, "labelbench_plus.augmentations")
