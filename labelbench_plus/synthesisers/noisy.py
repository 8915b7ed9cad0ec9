"""Views of a scene whose depths are wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from labelbench_plus.algorithms.ray_casting import camera
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers
from labelbench_plus.synthesisers._known import rendered, scenes_of


@synthesisers.register("noisy")
@dataclass(frozen=True)
class Noisy(Synthesiser):
    """Views of the scene with every object moved along the ray from the camera by a normal error.

    Sizes grow with distance, so that the photograph would be the same: what it leaves open is what is wrong. It knows
    nearly the true scene: a bound, not a method.

    Parameters
    ----------
    depth_error: standard deviation, in units of the scene; its objects are 0.8 to 1.3 apart in `spatial_scenes`.
    """

    title = "Views with wrong depths"
    source = "noisy oracle"
    needs_scenes = True

    depth_error: Annotated[float, Ge(0)] = 0.5

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        scenes = scenes_of(photographs, self.name).at(rows)
        eye = camera(0.0, scenes.elevation)
        drawn = [photographs.of_row(row).rng("depth error").standard_normal(scenes.kinds.shape[1]) for row in rows]
        from_eye = scenes.centres - eye
        distance = np.sqrt((from_eye * from_eye).sum(axis=2))
        factor = 1 + self.depth_error * np.reshape(drawn, scenes.kinds.shape) / distance
        moved = replace(scenes, centres=eye + factor[..., None] * from_eye, sizes=scenes.sizes * factor)
        return rendered(moved, angles, photographs.images.shape[1])
