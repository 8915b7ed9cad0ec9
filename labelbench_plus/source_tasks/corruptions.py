"""Fifteen ways to spoil small grey images, in the manner of MNIST-C (Mu and Gilmer, 2019), and none.

Each takes images (n, h, w), floats in [0, 1], and a generator, and returns the like. Strengths suit 28 × 28 pixels. The
rules are ours: that data set's own need libraries made for larger colour images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _shot_noise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(12 * images) / 12


def _impulse_noise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draw = rng.random(images.shape)
    return np.where(draw < 0.06, 0.0, np.where(draw > 0.94, 1.0, images))


def _glass_blur(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import ndimage

    count, height, width = images.shape
    which, row, column = np.ogrid[:count, :height, :width]
    for _ in range(2):
        down, right = rng.integers(-2, 3, (2, *images.shape))
        images = images[which, np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
    return np.asarray(ndimage.gaussian_filter(images, (0, 0.7, 0.7)))


def _motion_blur(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import ndimage

    return np.asarray(ndimage.convolve(images, np.eye(7)[None] / 7, mode="constant"))


def _moved(matrix: list[list[float]], shift: tuple[float, float] = (0.0, 0.0)) -> Corruption:
    """The image under a linear map about its centre: output pixel x shows input pixel `matrix` x + `shift`."""

    def apply(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from scipy import ndimage

        centre = (np.array(images.shape[1:]) - 1) / 2
        linear = np.array(matrix)
        offset = centre - linear @ centre + shift
        return np.stack([ndimage.affine_transform(image, linear, offset, order=1) for image in images])

    return apply


_TURN = np.deg2rad(30)


def _brightness(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return images + 0.45


def _stripe(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    images = images.copy()
    images[:, :, 9:19] = 1 - images[:, :, 9:19]
    return images


def _cloud(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> np.ndarray:
    """Noise blurred to spots of that width, each image scaled to [0, 1]."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.standard_normal(shape), (0, width, width))
    low, high = noise.min(axis=(1, 2), keepdims=True), noise.max(axis=(1, 2), keepdims=True)
    return np.asarray((noise - low) / (high - low))


def _fog(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (images + 1.2 * _cloud(images.shape, 4.0, rng)) / 1.9


def _spatter(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spots = _cloud(images.shape, 1.5, rng)
    return np.where(spots >= np.quantile(spots, 0.88, axis=(1, 2), keepdims=True), 0.8, images)


def _line(images: np.ndarray, rng: np.random.Generator, zigzag: bool) -> np.ndarray:
    """A bright segment between two random edges: three pixels on, three off; or swerving by two every six steps."""
    images, (height, width) = images.copy(), images.shape[1:]
    steps = np.arange(2 * max(height, width))
    for image in images:
        start, end = rng.uniform(0, height - 1, 2)
        row = start + (end - start) * steps / (len(steps) - 1)
        column = steps * (width - 1) / (len(steps) - 1)
        pixel = column.astype(np.int64)
        if zigzag:
            row = row + np.where(pixel // 6 % 2, 2, -2)
            drawn = np.ones(len(steps), dtype=bool)
        else:
            drawn = pixel // 3 % 2 == 0
        image[np.clip(np.rint(row), 0, height - 1).astype(np.int64)[drawn], pixel[drawn]] = 1.0
    return images


def _canny_edges(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(images, (0, 1, 1))
    size = np.hypot(ndimage.sobel(smooth, axis=1), ndimage.sobel(smooth, axis=2))
    return (size > 0.9).astype(np.float64)


CORRUPTIONS: dict[str, Corruption] = {
    "identity": lambda images, rng: images,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "shear": _moved([[1.0, 0.0], [0.5, 1.0]]),
    "scale": _moved([[1.6, 0.0], [0.0, 1.6]]),
    "rotate": _moved([[np.cos(_TURN), -np.sin(_TURN)], [np.sin(_TURN), np.cos(_TURN)]]),
    "brightness": _brightness,
    "translate": _moved([[1.0, 0.0], [0.0, 1.0]], (-5.0, -4.0)),
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted_line": lambda images, rng: _line(images, rng, zigzag=False),
    "zigzag": lambda images, rng: _line(images, rng, zigzag=True),
    "canny_edges": _canny_edges,
}
"""By name; "identity" and the fifteen."""


def corrupt(images: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """uint8 images (n, h, w) under a corruption, as uint8.

    Raises
    ------
    ValueError
        No such corruption.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}; there are {', '.join(CORRUPTIONS)}")
    spoiled = CORRUPTIONS[name](images / 255.0, rng)
    return np.rint(np.clip(spoiled, 0, 1) * 255).astype(np.uint8)
