"""Scenes of two objects, drawn at random: what `spatial_scenes` shows, and others like it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from labelbench_plus.algorithms.ray_casting import Scenes, seen_from

RELATIONS = ("left", "right", "front", "behind")
RED, BLUE = (220.0, 40.0, 40.0), (40.0, 60.0, 220.0)
SIZES = (0.22, 0.42)
APART = (0.8, 1.3)  # of the two centres, seen from above
OFF_AXIS = 30.0  # degrees that a direction is off its axis at most: 15 from the diagonal
SHIFT, LIFT = 0.25, 0.45  # of the middle of both, and of the height of each, at most
ELEVATION = 25.0  # of the cameras of scenes that are easy


def draw(count: int, rng: Generator, ambiguous: bool) -> tuple[Scenes, np.ndarray]:
    """Scenes and relations (n,) of the first object to the second: as many of each, in random order.

    Parameters
    ----------
    ambiguous: the camera looks along the ground, objects float at heights of their own and there is no floor, so that
        a photograph tells depth by what hides what alone. Else the camera looks down at objects on a floor.
    """
    relations = rng.permutation(np.arange(count) % len(RELATIONS))
    angle = np.deg2rad(rng.uniform(-OFF_AXIS, OFF_AXIS, count))
    far = rng.uniform(*APART, count)
    along, aside = far * np.cos(angle), far * np.sin(angle)
    sideways = relations < 2
    sign = np.where((relations == 1) | (relations == 2), 1.0, -1.0)  # right and front are along x and z
    x, z = np.where(sideways, sign * along, aside), np.where(sideways, aside, sign * along)
    sizes = rng.uniform(*SIZES, (count, 2))
    lifts, middle = rng.uniform(-LIFT, LIFT, (count, 2)), rng.uniform(-SHIFT, SHIFT, (count, 2))
    heights = lifts if ambiguous else sizes
    flat = np.stack([x, z], axis=1) / 2
    centres = np.empty((count, 2, 3))
    centres[..., 1] = heights
    for number, which in enumerate((1.0, -1.0)):
        centres[:, number, 0::2] = middle + which * flat
    kinds = rng.integers(2, size=(count, 2))
    colours = np.array([RED, BLUE])
    elevation = 0.0 if ambiguous else ELEVATION
    return Scenes(kinds, centres, sizes, colours, elevation, floor=not ambiguous), relations


def relation_of(offsets: np.ndarray, azimuth: float = 0.0) -> np.ndarray:
    """(...,) int64: which of `RELATIONS` an offset (..., 3) of one object from another is, seen from an azimuth."""
    right, towards = seen_from(offsets, azimuth)
    sideways = np.abs(right) >= np.abs(towards)
    found: np.ndarray = np.where(sideways, np.where(right > 0, 1, 0), np.where(towards > 0, 2, 3))
    return found.astype(np.int64)
