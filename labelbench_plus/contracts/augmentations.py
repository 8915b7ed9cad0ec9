"""Augmentations: one file each. An augmentation changes inputs in ways that leave their class as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Augmentation(Plugin):
    """Two strengths of change, each input of a batch for itself.

    Attributes
    ----------
    of: what it changes: "images" (b, c, h, w) with values in 0..1, or "features" (b, d).
    """

    of: ClassVar[Literal["images", "features"]]

    def mirroring(self) -> str | None:
        """What to write so that nothing is mirrored ("flip: false"); None if nothing is."""
        return None

    def weak(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A batch of the same shape, changed a little. All that is drawn comes from `generator`, a CPU one."""
        raise NotImplementedError

    def strong(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """A batch of the same shape, changed a lot."""
        raise NotImplementedError


augmentations = Registry("augmentation", Augmentation, "labelbench_plus.augmentations")
