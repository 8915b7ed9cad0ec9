"""Where one object is from another: drawn scenes of which every other view is known too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from labelbench_plus.algorithms.ray_casting import Scenes, render
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._drawn_scenes import RELATIONS, draw
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.seeding import Streams

PARTS = ("pool", "validation", "test")


@datasets.register("spatial_scenes")
@dataclass(frozen=True)
class SpatialScenes(Dataset):
    """Is the red object left or right of the blue one, in front of it or behind it, as the photographer sees it?

    Two objects, spheres or cubes, of random sizes, so that size does not tell depth; a direction is at least 15 degrees
    from the diagonals. The four relations are equally frequent. Drawn once, the same for every run. What is on each
    photograph is known (`scenes`), so that views from other sides can be exact.

    Parameters
    ----------
    ambiguous: the camera looks along the ground at objects that float at heights of their own, so that depth shows in
        what hides what alone. Else it looks down at objects on a floor, and the photograph tells all.
    pool, validation, test: how many scenes each part has.
    side: of the photographs, in pixels.
    data_seed: of the draw.

    Example
    -------
    dataset: {name: spatial_scenes, ambiguous: true, pool: 1000}
    """

    title = "Spatial scenes"
    mirror_keeps_class = False

    ambiguous: bool = True
    pool: Annotated[int, Gt(0)] = 1_000
    validation: Annotated[int, Gt(0)] = 100
    test: Annotated[int, Gt(0)] = 500
    side: Annotated[int, Ge(8)] = 32
    data_seed: Annotated[int, Ge(0)] = 0

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"pool": 60, "validation": 20, "test": 40, "side": 16}

    def load(self) -> LabelledData:
        pool, validation, test = (
            Split(render(scenes, 0.0, self.side), relations.copy()) for scenes, relations in map(self._drawn, PARTS)
        )
        return LabelledData(pool, validation, test, RELATIONS)

    def scenes(self, part: str) -> Scenes:
        """What each photograph of "pool", "validation" or "test" shows."""
        return self._drawn(part)[0]

    def _drawn(self, part: str) -> tuple[Scenes, np.ndarray]:
        return _drawn(getattr(self, part), self.data_seed, part, self.ambiguous)

    def fingerprint(self) -> str:
        return fingerprint(self)


@cache
def _drawn(size: int, seed: int, part: str, ambiguous: bool) -> tuple[Scenes, np.ndarray]:
    return draw(size, Streams(seed).rng(f"spatial scenes {part}"), ambiguous)
