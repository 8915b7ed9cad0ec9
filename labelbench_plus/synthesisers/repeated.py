"""The photograph again: a control for more pixels and more computing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers


@synthesisers.register("repeated")
@dataclass(frozen=True)
class Repeated(Synthesiser):
    """The photograph itself in every view's place.

    As many pixels and as much computing as with views, and nothing new to see: what this gains, views do not.
    """

    title = "The photograph, repeated"
    source = "control"

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        return np.repeat(photographs.images[rows][:, None], len(angles), axis=1)
