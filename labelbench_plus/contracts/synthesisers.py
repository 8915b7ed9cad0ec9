"""Synthesisers: one file each. A synthesiser makes views of what photographs show, from where nobody stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from labelbench_plus.algorithms.ray_casting import Scenes
from labelbench_plus.plugins import Plugin, Registry
from labelbench_plus.seeding import Streams

ViewSource = Literal["none", "control", "oracle", "noisy oracle", "generator"]
SOURCES: tuple[ViewSource, ...] = get_args(ViewSource)
BOUNDS: frozenset[ViewSource] = frozenset({"oracle", "noisy oracle"})
"""The sources that know the true scene, which no method does."""


@dataclass(frozen=True)
class Photographs:
    """What views are to be made of. There is no way from here to a label.

    Attributes
    ----------
    images: (n, h, h, 3) uint8, every photograph of a part of a data set.
    part: "pool", "validation" or "test".
    scenes: what is on them, for synthesisers that say they need it, where it is known; else None.
    streams: the only source of randomness, the same for the same photographs. A draw that belongs to one of them comes
        from `of_row`, so that it does not depend on which others are asked for.
    """

    images: np.ndarray
    part: str
    scenes: Scenes | None
    streams: Streams

    def of_row(self, row: int) -> Streams:
        """The streams of one photograph."""
        return self.streams.round(int(row))


@runtime_checkable
class KnowsScenes(Protocol):
    """A data set that knows what is on its photographs."""

    def scenes(self, part: str) -> Scenes:
        """What each example of "pool", "validation" or "test" shows, in their order."""


class Synthesiser(Plugin):
    """Makes views of photographs.

    Attributes
    ----------
    source: what its views are made of, which boards show.
        "none": there are no views.
        "control": nothing that could help, so that it must gain nothing.
        "oracle", "noisy oracle": the true scene, or nearly that, which no method knows: a bound.
        "generator": the photograph, and what was learned elsewhere.
    needs_scenes: whether it must be told what is on the photographs. No generator is.
    """

    source: ClassVar[ViewSource]
    needs_scenes: ClassVar[bool] = False

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        """Make views of some of the photographs; none of those is changed.

        Parameters
        ----------
        rows: (m,) int64, which.
        angles: azimuths in degrees, the photograph's own being 0 and 90 a quarter round to its right.

        Returns
        -------
        (m, v, h, h, 3) uint8, a view an angle; v is 0 for the source "none". The views of a photograph do not depend on
        which others are asked for.

        Raises
        ------
        ValueError
            It cannot make views of such photographs, or from such angles.
        FileNotFoundError
            Weights or files are missing; the message lists every way to get them.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Hash of what it is made of beyond its hyperparameters (weights, files); empty if nothing."""
        return ""


synthesisers = Registry("synthesiser", Synthesiser, "labelbench_plus.synthesisers")
