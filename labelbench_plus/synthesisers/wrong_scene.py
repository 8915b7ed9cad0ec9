"""Views of something else: a control for what a classifier makes of more pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from labelbench_plus.plugins import From
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers


@synthesisers.register("wrong_scene")
@dataclass(frozen=True)
class WrongScene(Synthesiser):
    """Views of another photograph from the same part.

    The views are as good as they can be, and say nothing of the photograph: what this gains, no view of it does.

    Parameters
    ----------
    synthesiser: makes the views.
    """

    title = "Views of another scene"
    source = "control"

    synthesiser: Annotated[Synthesiser, From("synthesisers")] = field(
        default_factory=lambda: synthesisers.build("exact")
    )

    @property
    def needs_scenes(self) -> bool:  # type: ignore[override]
        return self.synthesiser.needs_scenes

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        count = len(photographs.images)
        if count < 2 and len(rows):
            raise ValueError("synthesiser 'wrong_scene': there is no other photograph to show views of")
        circle = photographs.streams.rng("wrong scene").permutation(count)
        other = np.empty(count, dtype=np.int64)
        other[circle] = np.roll(circle, 1)
        return self.synthesiser.views(photographs, other[rows], angles)

    def fingerprint(self) -> str:
        return self.synthesiser.fingerprint()
