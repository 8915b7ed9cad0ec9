"""RandAugment's transformations of images, as FixMatch has them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelbench_plus.algorithms import image_operations as op

NUMBER_OF_OPERATIONS = 14


def operate(images: Tensor, which: Tensor, strength: Tensor) -> None:
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
