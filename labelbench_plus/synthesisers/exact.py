"""Views of the true scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers
from labelbench_plus.synthesisers._known import rendered, scenes_of


@synthesisers.register("exact")
@dataclass(frozen=True)
class Exact(Synthesiser):
    """The scene itself, photographed from the other angles: what a perfect generator could show at best.

    It knows the scene, which a photograph does not show: a bound, not a method.
    """

    title = "Exact views"
    source = "oracle"
    needs_scenes = True

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        return rendered(scenes_of(photographs, self.name).at(rows), angles, photographs.images.shape[1])
