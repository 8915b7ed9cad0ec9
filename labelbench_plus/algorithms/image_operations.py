"""Operations on batches of images, each image with a strength of its own: what RandAugment is made of.

Images are (b, c, h, w) floating point with values in 0..1, c being 1 or 3; a strength is (b,). Every function returns
a new batch of the same shape with values in 0..1. Grey images are their own grey version.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = 256


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with black: 0 is black, 1 leaves the image unchanged."""
    return _blend(torch.zeros_like(images), images, factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey version: 0 is grey, 1 leaves the image unchanged."""
    return _blend(_grey(images).expand_as(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with the image's mean grey: 0 is uniform, 1 leaves the image unchanged."""
    return _blend(_grey(images).mean(dim=(1, 2, 3), keepdim=True).expand_as(images), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Blend with a smoothed version (3 × 3, weight 5 in the middle and 1 around; borders stay): 0 is smooth."""
    channels, (height, width) = images.shape[1], images.shape[2:]
    if min(height, width) < 3:
        return images.clone()
    kernel = images.new_ones(3, 3)
    kernel[1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = functional.conv2d(images, kernel, groups=channels)
    return _blend(smooth, images, factor)


def auto_contrast(images: Tensor) -> Tensor:
    """Stretch every channel to 0..1; a constant channel stays."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, (images - low) / span.clamp_min(torch.finfo(images.dtype).tiny), images)


def equalize(images: Tensor) -> Tensor:
    """Flatten every channel's histogram of 256 levels, as PIL's `ImageOps.equalize` does."""
    batch, channels, height, width = images.shape
    levels = (images * (LEVELS - 1)).round().long().reshape(batch * channels, height * width)
    rows = torch.arange(batch * channels, device=images.device)[:, None]
    counts = torch.bincount((rows * LEVELS + levels).reshape(-1), minlength=batch * channels * LEVELS)
    counts = counts.reshape(batch * channels, LEVELS)
    brightest = levels.amax(dim=1, keepdim=True)
    step = (height * width - counts.gather(1, brightest)) // (LEVELS - 1)
    below = counts.cumsum(dim=1) - counts
    table = ((below + step // 2) // step.clamp_min(1)).clamp(max=LEVELS - 1)
    table = torch.where(step > 0, table, torch.arange(LEVELS, device=images.device))
    return (table.gather(1, levels).to(images) / (LEVELS - 1)).reshape(images.shape)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the `bits` (whole numbers, 0..8) highest of each value's eight bits."""
    levels = (images * (LEVELS - 1)).round()
    step = 2.0 ** (8 - _per_image(bits, images))
    return (levels / step).floor() * step / (LEVELS - 1)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values that are not below the threshold."""
    return torch.where(images >= _per_image(threshold, images), 1 - images, images)


def affine(images: Tensor, rotation: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """Rotate, shear and move about the centre, bilinearly; what comes in from outside is black.

    Parameters
    ----------
    rotation: (b,) degrees, counter-clockwise.
    shear: (b, 2): x moves by shear[:, 0] · y, or y by shear[:, 1] · x, both from the centre.
    shift: (b, 2): in shares of width and height; positive moves to the right and down.
    """
    height, width = images.shape[2:]
    angle = torch.deg2rad(rotation)
    cos, sin = angle.cos(), angle.sin()
    # What `grid_sample` wants is the way back: where an output pixel comes from, in units of half a side.
    turned = torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
    sheared = torch.eye(2, dtype=images.dtype, device=images.device).repeat(len(images), 1, 1)
    sheared[:, 0, 1], sheared[:, 1, 0] = -shear[:, 0], -shear[:, 1]
    back = turned @ sheared
    sides = torch.tensor([width, height], dtype=images.dtype, device=images.device)
    matrix = back * sides[None, None, :] / sides[None, :, None]
    offset = -(matrix @ (2 * shift)[:, :, None])
    # What `affine_grid` computes, without its matrix products of inner size 3, which take longer than the sampling.
    across, down = (torch.linspace(-1, 1, side, device=images.device) * (side - 1) / side for side in (width, height))
    grid = matrix[:, None, None, :, 0] * across[:, None] + matrix[:, None, None, :, 1] * down[:, None, None]
    grid += offset[:, None, None, :, 0]
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def cutout(images: Tensor, centre: Tensor, side: int) -> Tensor:
    """Blacken a square about a centre, which may reach over the border (DeVries & Taylor, 2017).

    centre: (b, 2) whole numbers: row and column.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[None, :] - centre[:, 0, None] + side // 2
    columns = torch.arange(width, device=images.device)[None, :] - centre[:, 1, None] + side // 2
    down = ((rows >= 0) & (rows < side)).to(images)[:, None, :, None]
    across = ((columns >= 0) & (columns < side)).to(images)[:, None, None, :]
    return images * (1 - across * down)


def flip(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen (b,) bool images left to right."""
    return torch.where(_per_image(chosen, images), images.flip(3), images)


def shifted_crop(images: Tensor, offset: Tensor, margin: int) -> Tensor:
    """Cut the image's own size out of the image continued by reflection, `margin` pixels to every side.

    offset: (b, 2) whole numbers in 0..2 · margin: row and column of the cut's corner; `margin` is the image itself.
    """
    batch, channels, height, width = images.shape
    rows = _reflected(offset[:, 0, None] - margin + torch.arange(height, device=images.device), height)
    columns = _reflected(offset[:, 1, None] - margin + torch.arange(width, device=images.device), width)
    # One pass over whole pixels; for grey images they are numbers, for which `index_select` is at its fastest.
    first = height * width * torch.arange(batch, device=images.device)[:, None]
    chosen = (first + rows * width)[:, :, None] + columns[:, None, :]
    pixels = images.permute(0, 2, 3, 1).reshape(-1, channels).squeeze(1)
    return pixels.index_select(0, chosen.flatten()).view(batch, height, width, channels).permute(0, 3, 1, 2)


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places from 1 - size to 2 · (size - 1), brought to 0..size - 1 by reflection at both ends."""
    return (size - 1) - ((size - 1) - places.abs()).abs()


def _blend(other: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other, images, _per_image(factor, images)).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    """(b, 1, h, w), by ITU-R 601 luma."""
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _per_image(strength: Tensor, images: Tensor) -> Tensor:
    strength = strength if strength.dtype == torch.bool else strength.to(images)
    return strength.view(-1, 1, 1, 1)
