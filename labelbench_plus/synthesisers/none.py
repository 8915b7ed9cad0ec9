"""The photograph alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers


@synthesisers.register("none")
@dataclass(frozen=True)
class NoViews(Synthesiser):
    """No views: the photograph alone, the reference of all others."""

    title = "The photograph alone"
    source = "none"

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        return np.empty((len(rows), 0, *photographs.images.shape[1:]), dtype=np.uint8)
