"""How wide the similarity of facility location should be, chosen without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.neighbours import nearest_neighbours
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.facility_location import FacilityLocation

SCALES = (0.02, 0.05, 0.1, 0.2, 0.5)
LAST_GAIN = 0.02
NEAR_BEST = 1.05


@dataclass(frozen=True)
class Width:
    """The result of one scale.

    Attributes
    ----------
    scale: γ over the mean squared distance of two rows.
    last_gain: of the last pick, as a share of the first's.
    distance: mean distance of a row to the nearest of those picked.
    """

    scale: float
    last_gain: float
    distance: float


@detached
def widths(features: Tensor, n: int, scales: Sequence[float] = SCALES) -> list[Width]:
    """What facility location does with each of several scales, picking `n` of the rows.

    Parameters
    ----------
    features: (N, d) floating point. n: how many it picks, 1 <= n <= N.

    Complexity: of a `facility_location` a scale, and O(n N d) time.
    """
    found = []
    for scale in scales:
        objective = FacilityLocation(features, similarity=Rbf(scale=scale))
        picked = lazy_greedy(objective, n)
        gains = _gains(objective, picked)
        nearest = nearest_neighbours(features, 1, points=features[picked]).squared_distances[:, 0]
        found.append(Width(scale, float(gains[-1] / gains[0]), float(nearest.clamp(min=0).sqrt().mean())))
    return found


@detached
def chosen_scale(features: Tensor, n: int, scales: Sequence[float] = SCALES) -> float:
    """The smallest scale with which the `n`-th pick still gains noticeably for few rows, and rows lie near picks.

    That is: its last gain is at most 2 % of the first, and the mean distance of a row to the nearest pick is within 5 %
    of the least that any scale comes to. Where no scale has both, it is the one with the least distance.

    Parameters
    ----------
    features, n, scales: as of `widths`. For orders that are nested, `n` is the largest budget.

    Raises
    ------
    ValueError
        No scale, or what `facility_location` refuses.

    Source: a rule of our own; it reads no label. On rows that are many and alike a width that is too small makes every
    pick gain itself alone, and one that is too large makes one pick gain all.
    """
    if not scales:
        raise ValueError("there must be a scale to choose from")
    found = sorted(widths(features, n, scales), key=lambda width: width.scale)
    least = min(width.distance for width in found)
    for width in found:
        if width.last_gain <= LAST_GAIN and width.distance <= NEAR_BEST * least:
            return width.scale
    return min(found, key=lambda width: (width.distance, width.scale)).scale


def _gains(objective: FacilityLocation, picked: Tensor) -> Tensor:
    """(n,) what each pick gained, when it was picked."""
    objective.reset()
    gains = []
    for row in picked.tolist():
        gains.append(objective.gains(torch.tensor([row], device=objective.device))[0])
        objective.add(row)
    return torch.stack(gains)
