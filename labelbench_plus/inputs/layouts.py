"""Several squares as one picture: side by side, or in the quarters of one square.

A strip of v squares of side h is (n, h, v·h, 3): square j is columns j·h to (j + 1)·h. A grid is (n, h, h, 3): up to
four squares, each brought to half its side, from the upper left to the lower right.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Layout = Literal["strip", "grid"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
QUARTERS = 4
EMPTY = 255  # white, as around the objects that generators draw


def strip(squares: np.ndarray) -> np.ndarray:
    """(n, h, v·h, 3) of squares (n, v, h, h, 3)."""
    n, v, h = squares.shape[:3]
    return np.ascontiguousarray(squares.transpose(0, 2, 1, 3, 4)).reshape(n, h, v * h, squares.shape[4])


def squares_of(pictures: np.ndarray) -> np.ndarray:
    """(n, v, h, h, 3): the squares of strips (n, h, v·h, 3).

    Raises
    ------
    ValueError
        They are no strips: their width is no multiple of their height.
    """
    n, h, width, channels = pictures.shape
    v = squares_in(h, width)
    return np.ascontiguousarray(pictures.reshape(n, h, v, h, channels).transpose(0, 2, 1, 3, 4))


def squares_in(height: int, width: int) -> int:
    """How many squares there are in a strip of this size.

    Raises
    ------
    ValueError
        It is no strip.
    """
    if not height or width % height or not width:
        raise ValueError(f"a strip of squares is as wide as it is high, or twice, ...; got {height} × {width}")
    return width // height


def grid(squares: np.ndarray) -> np.ndarray:
    """(n, h, h, 3): up to four squares (n, v, h, h, 3), halved by the mean of 2 × 2 pixels; empty quarters are white.

    Raises
    ------
    ValueError
        There are more than four, or their side is odd.
    """
    n, v, h, _, channels = squares.shape
    if v > QUARTERS or h % 2:
        raise ValueError(f"a grid has room for four squares of an even side, got {v} of side {h}")
    halved = squares.reshape(n, v, h // 2, 2, h // 2, 2, channels).mean(axis=(3, 5))
    found = np.full((n, h, h, channels), EMPTY, dtype=np.uint8)
    for place in range(v):
        top, left = (place // 2) * (h // 2), (place % 2) * (h // 2)
        found[:, top : top + h // 2, left : left + h // 2] = np.rint(halved[:, place])
    return found
