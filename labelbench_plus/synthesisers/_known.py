"""What synthesisers share that are told what is on a photograph."""

from __future__ import annotations

import numpy as np

from labelbench_plus.algorithms.ray_casting import Scenes, render
from labelbench_plus.synthesisers import Photographs


def scenes_of(photographs: Photographs, synthesiser: str) -> Scenes:
    """What is on the photographs.

    Raises
    ------
    ValueError
        Nobody knows.
    """
    if photographs.scenes is None:
        raise ValueError(
            f"synthesiser {synthesiser!r} needs to know what is on a photograph, which these data do not say; "
            "'spatial_scenes' does"
        )
    return photographs.scenes


def rendered(scenes: Scenes, angles: tuple[float, ...], side: int) -> np.ndarray:
    """(n, v, side, side, 3) uint8: every scene from every angle."""
    views = [render(scenes, angle, side) for angle in angles]
    return np.stack(views, axis=1) if views else np.empty((len(scenes), 0, side, side, 3), dtype=np.uint8)
