"""The usual two strengths for images: flip and shift; RandAugment and cutout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from labelbench_plus.algorithms import image_operations as op
from labelbench_plus.augmentations import Augmentation, augmentations

if TYPE_CHECKING:
    from torch import Generator

NUMBER_OF_OPERATIONS = 14


@augmentations.register("images")
@dataclass(frozen=True)
class Images(Augmentation):
    """Weak: mirrored half of the time, and moved by up to an eighth. Strong: also RandAugment, and a hole.

    Strong applies `operations` transformations to each image, each drawn from FixMatch's fourteen with a strength of
    its own, then blackens a square of half the side (Sohn et al., 2020, appendix D; Cubuk et al., 2020).

    Parameters
    ----------
    flip: whether mirrored images keep their class. Digits do not.
    margin: how far an image is moved at most, as a share of its shorter side.
    operations: how many are applied one after the other.
    hole: side of the square that is blackened, as a share of the shorter side; 0 for none.
    """

    of = "images"

    flip: bool = True
    margin: Annotated[float, Interval(ge=0, le=0.5)] = 0.125
    operations: Annotated[int, Ge(0)] = 2
    hole: Annotated[float, Interval(ge=0, le=1)] = 0.5

    def mirroring(self) -> str | None:
        return "flip: false" if self.flip else None

    def weak(self, inputs: Tensor, generator: Generator) -> Tensor:
        batch, side = len(inputs), min(inputs.shape[2:])
        mirrored = torch.rand(batch, generator=generator) < 0.5
        margin = min(round(self.margin * side), side - 1)
        offset = torch.randint(0, 2 * margin + 1, (batch, 2), generator=generator)
        if self.flip:
            inputs = op.flip(inputs, mirrored.to(inputs.device))
        return op.shifted_crop(inputs, offset.to(inputs.device), margin) if margin else inputs

    def strong(self, inputs: Tensor, generator: Generator) -> Tensor:
        images = self.weak(inputs, generator).clone(memory_format=torch.contiguous_format)
        batch, (height, width) = len(images), images.shape[2:]
        for _ in range(self.operations):
            which = torch.randint(NUMBER_OF_OPERATIONS, (batch,), generator=generator)
            strength = torch.rand(batch, generator=generator)
            _operate(images, which.to(images.device), strength.to(images.device))
        centre = torch.rand(batch, 2, generator=generator) * torch.tensor([height, width])
        side = round(self.hole * min(height, width))
        return op.cutout(images, centre.long().to(images.device), side) if side else images


def _operate(images: Tensor, which: Tensor, strength: Tensor) -> None:
    """Apply operation `which[i]` at `strength[i]` in 0..1 to image i, in place; those of one kind together.

    The ranges are those of FixMatch's table 12. Rotation, shears and shifts are one affine map.
    """
    counts = torch.bincount(which, minlength=NUMBER_OF_OPERATIONS).tolist()
    counts[8:13] = [sum(counts[8:13])]
    for operation, rows in zip(OPERATIONS, which.argsort(stable=True).split(counts), strict=True):
        if len(rows):
            images.index_copy_(0, rows, operation(images.index_select(0, rows), which[rows], strength[rows]))


def _blended(operation: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return lambda images, _, strength: operation(images, 0.05 + 0.9 * strength)


def _affine(images: Tensor, kind: Tensor, strength: Tensor) -> Tensor:
    signed = 2 * strength - 1
    chosen = [torch.where(kind == number, signed, torch.zeros_like(signed)) for number in range(8, 13)]
    shear, shift = 0.3 * torch.stack(chosen[1:3], dim=1), 0.3 * torch.stack(chosen[3:5], dim=1)
    return op.affine(images, 30 * chosen[0], shear, shift)


Operation = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of images (b, c, h, w), which of the kinds each is to undergo (b,), and how strongly (b,)."""

OPERATIONS: tuple[Operation, ...] = (
    _blended(op.brightness),
    _blended(op.color),
    _blended(op.contrast),
    _blended(op.sharpness),
    lambda images, *_: op.auto_contrast(images),
    lambda images, *_: op.equalize(images),
    lambda images, _, strength: op.posterize(images, 4 + (5 * strength).floor().clamp(max=4)),
    lambda images, _, strength: op.solarize(images, strength),
    _affine,  # kinds 8 to 12
    lambda images, *_: images,
)
