"""Synthesisers: one file each. A synthesiser makes views of what photographs show from other viewpoints."""

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
"""The sources that know the true scene, as no method does."""


@dataclass(frozen=True)
class Photographs:
    """The input for making views. No label can be reached from here.

    Attributes
    ----------
    images: (n, h, h, 3) uint8, every photograph of a part of a data set.
    part: "pool", "validation" or "test".
    scenes: what they show, for synthesisers that declare the need, where it is known; otherwise None.
    streams: the only source of randomness, the same for the same photographs. Draws for one of them come from
        `of_row`, so that they do not depend on which others are requested.
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
    """A data set that knows what its photographs show."""

    def scenes(self, part: str) -> Scenes:
        """What each example of "pool", "validation" or "test" shows, in their order."""


class Synthesiser(Plugin):
    """Makes views of photographs.

    Attributes
    ----------
    source: what its views are made from; boards show it.
        "none": there are no views.
        "control": nothing that could help, so it should gain nothing.
        "oracle", "noisy oracle": the true scene, exactly or nearly, which no method knows: a bound.
        "generator": the photograph, and what was learned elsewhere.
    needs_scenes: whether it must know what the photographs show. No generator does.
    """

    source: ClassVar[ViewSource]
    needs_scenes: ClassVar[bool] = False

    def views(self, photographs: Photographs, rows: np.ndarray, angles: tuple[float, ...]) -> np.ndarray:
        """Make views of some of the photographs; none of those is changed.

        Parameters
        ----------
        rows: (m,) int64, which photographs.
        angles: azimuths in degrees, the photograph's own being 0 and 90 a quarter round to its right.

        Returns
        -------
        (m, v, h, h, 3) uint8, one view per angle; v is 0 for the source "none". The views of a photograph do not depend
        on which others are requested.

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
