"""The hypervolume of a front: how much of what lies above a reference point some point of it dominates."""

from __future__ import annotations

import numpy as np


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """The volume between a reference point and the front, where more is better in every objective.

    Parameters
    ----------
    points: (n, d) in any order; dominated and repeated ones add nothing, nor do those not above `reference` throughout.
    reference: (d,), d of 2 or 3.

    Raises
    ------
    ValueError
        Another number of objectives, shapes that do not match, or values that are not finite.

    Notes
    -----
    Two objectives by a sweep in O(n log n), three by slices in O(n² log n) (Zitzler and Thiele, 1999, for the measure).
    """
    floor = np.asarray(reference, dtype=np.float64)
    if floor.shape not in ((2,), (3,)):
        raise ValueError(f"reference: expected 2 or 3 objectives, got shape {floor.shape}")
    front = np.asarray(points, dtype=np.float64)
    front = front.reshape(0, len(floor)) if front.size == 0 else front
    if front.ndim != 2 or front.shape[1] != len(floor):
        raise ValueError(f"points: expected (n, {len(floor)}), got shape {front.shape}")
    if not (np.isfinite(front).all() and np.isfinite(floor).all()):
        raise ValueError("points: expected finite values")
    above = front[(front > floor).all(axis=1)] - floor
    return _area(above) if len(floor) == 2 else _volume(above)


def _area(points: np.ndarray) -> float:
    """Of the union of the rectangles between 0 and each point."""
    total, height = 0.0, 0.0
    for x, y in points[np.lexsort((points[:, 1], points[:, 0]))][::-1]:  # from the widest on
        if y > height:
            total, height = total + x * (y - height), y
    return float(total)


def _volume(points: np.ndarray) -> float:
    """Of the union of the boxes between 0 and each point, in slices between their heights."""
    heights = np.unique(points[:, 2])
    depths = np.diff(heights, prepend=0.0)
    return float(sum(d * _area(points[points[:, 2] >= h][:, :2]) for h, d in zip(heights, depths, strict=True)))
