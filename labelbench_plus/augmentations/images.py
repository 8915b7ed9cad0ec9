"""The usual two strengths for images: flip and shift; RandAugment and cutout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Interval

from labelbench_plus.augmentations import Augmentation, augmentations
from labelbench_plus.reference import Reference

if TYPE_CHECKING:
    from torch import Generator, Tensor


@augmentations.register("images")
@dataclass(frozen=True)
class Images(Augmentation):
    """Weak: mirrored half of the time, and shifted by up to an eighth. Strong: also RandAugment, and a hole.

    Strong applies `operations` transformations to each image, each drawn from FixMatch's fourteen with a strength of
    its own, then blackens a square of half the side (Sohn et al., 2020, appendix D; Cubuk et al., 2020).

    Parameters
    ----------
    flip: whether mirrored images keep their class. Digits do not.
    margin: how far an image is moved at most, as a share of its shorter side.
    operations: how many are applied one after the other.
    hole: side of the square that is blackened, as a share of the shorter side; 0 for none.
    """

    title = "RandAugment and a hole"
    reference = Reference(("Sohn", "others"), 2020)
    of = "images"

    flip: bool = True
    margin: Annotated[float, Interval(ge=0, le=0.5)] = 0.125
    operations: Annotated[int, Ge(0)] = 2
    hole: Annotated[float, Interval(ge=0, le=1)] = 0.5

    def mirroring(self) -> str | None:
        return "flip: false" if self.flip else None

    def weak(self, inputs: Tensor, generator: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms import image_operations as op

        batch, side = len(inputs), min(inputs.shape[2:])
        mirrored = torch.rand(batch, generator=generator) < 0.5
        margin = min(round(self.margin * side), side - 1)
        offset = torch.randint(0, 2 * margin + 1, (batch, 2), generator=generator)
        if self.flip:
            inputs = op.flip(inputs, mirrored.to(inputs.device))
        return op.shifted_crop(inputs, offset.to(inputs.device), margin) if margin else inputs

    def strong(self, inputs: Tensor, generator: Generator) -> Tensor:
        import torch

        from labelbench_plus.algorithms import image_operations as op
        from labelbench_plus.augmentations._rand_augment import NUMBER_OF_OPERATIONS, operate

        images = self.weak(inputs, generator).clone(memory_format=torch.contiguous_format)
        batch, (height, width) = len(images), images.shape[2:]
        for _ in range(self.operations):
            which = torch.randint(NUMBER_OF_OPERATIONS, (batch,), generator=generator)
            strength = torch.rand(batch, generator=generator)
            operate(images, which.to(images.device), strength.to(images.device))
        centre = torch.rand(batch, 2, generator=generator) * torch.tensor([height, width])
        side = round(self.hole * min(height, width))
        return op.cutout(images, centre.long().to(images.device), side) if side else images
