"""What is asked of a synthesiser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelbench_plus.algorithms.ray_casting import Scenes, render
from labelbench_plus.contracts.synthesisers import SOURCES, Photographs, Synthesiser
from labelbench_plus.seeding import Streams
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import watched

COUNT, SIDE = 5, 16
ANGLES = (-90.0, 90.0)


def scenes() -> Scenes:
    """Five scenes of a red and a blue object each."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-0.7, 0.7, (COUNT, 2, 3))
    colours = np.array([[220.0, 40.0, 40.0], [40.0, 60.0, 220.0]])
    return Scenes(rng.integers(2, size=(COUNT, 2)), centres, rng.uniform(0.2, 0.4, (COUNT, 2)), colours)


@dataclass(frozen=True)
class Making:
    """One synthesiser and the ways to ask it."""

    plugin: Synthesiser

    def photographs(self) -> Photographs:
        """Five, and what is on them where the synthesiser says that it needs it."""
        known = scenes()
        told = known if self.plugin.needs_scenes else None
        return Photographs(render(known, 0.0, SIDE), "pool", told, Streams(3))

    def make(self, rows: list[int], angles: tuple[float, ...] = ANGLES) -> np.ndarray:
        """(m, v, h, h, 3) views, held to what all views must be.

        Raises
        ------
        Skip
            What it is made of is not on this machine.
        """
        shown = self.photographs()
        before, wanted = shown.images.copy(), np.array(rows, dtype=np.int64)
        try:
            with watched():
                found = fresh(self.plugin).views(shown, wanted.copy(), angles)
        except FileNotFoundError as error:
            if not str(error):
                raise Failure("makes", "FileNotFoundError without a message: list every way to get it") from error
            raise Skip(f"not on this machine: {error}") from error
        if not np.array_equal(before, shown.images):
            raise Failure("mutation", "the photographs it was shown are not what they were")
        count = 0 if self.plugin.source == "none" else len(angles)
        shape = (len(rows), count, SIDE, SIDE, 3)
        if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != shape:
            got = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise Failure("form", f"expected views uint8 {shape}, got {got}")
        return found

    def need_repeatable(self) -> None:
        """Without that no two answers can be compared."""
        if not np.array_equal(self.ordinary(), self.ordinary()):
            raise Failure("repeatable", "the second time something else came out")

    def ordinary(self) -> np.ndarray:
        return self.make(list(range(COUNT)))


CHECKS: Checks[Making] = Checks(Making)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, and says what its views are made of",
    "source = one of " + ", ".join(map(repr, SOURCES)),
)
def _declaration(making: Making) -> None:
    check_declaration(making.plugin, "synthesisers")
    if getattr(making.plugin, "source", None) not in SOURCES:
        source = getattr(making.plugin, "source", None)
        raise Failure("declaration", f"source must be one of {', '.join(map(repr, SOURCES))}, got {source!r}")
    if not isinstance(making.plugin.fingerprint(), str):
        raise Failure("declaration", "fingerprint() must be a string: the hash of its weights, or nothing")


@CHECKS.add("makes", "it makes views of ordinary photographs", "read the traceback of `views`", essential=True)
def _makes(making: Making) -> None:
    making.ordinary()


@CHECKS.add(
    "form",
    "there is a view of every photograph from every angle: uint8 (m, v, h, h, 3); none at all from the source 'none'",
    "np.stack the views of one angle along axis 1; round before .astype(np.uint8)",
)
def _form(making: Making) -> None:
    making.ordinary()
    making.make([0, 1], (-90.0,))
    making.make([])


@CHECKS.add("mutation", "it leaves the photographs as they were", "copy before writing in place")
def _mutation(making: Making) -> None:
    """All it makes in every check is held to it."""


@CHECKS.add(
    "scenes",
    "a generator never sees the scene",
    "needs_scenes = False; synthesisers that see the scene have the source 'oracle' or 'noisy oracle', and are bounds",
)
def _scenes(making: Making) -> None:
    if making.plugin.source in ("generator", "none") and making.plugin.needs_scenes:
        raise Failure("scenes", f"its source is {making.plugin.source!r}, but it asks what is on the photographs")


@CHECKS.add(
    "row_by_row",
    "the views of a photograph do not depend on which others are asked for, nor in which order",
    "draw from photographs.of_row(row), and put nothing in a batch that changes with the batch",
)
def _row_by_row(making: Making) -> None:
    making.need_repeatable()
    whole = making.ordinary()
    for rows in ([3, 1], [4], list(reversed(range(COUNT)))):
        if not np.array_equal(making.make(rows), whole[rows]):
            raise Failure("row_by_row", f"asked for photographs {rows} alone, it makes other views of them")


@CHECKS.add(
    "angles",
    "the view from an angle does not depend on which other angles are asked for",
    "make each angle's views by themselves",
)
def _angles(making: Making) -> None:
    if making.plugin.source == "none":
        raise Skip("it makes no views")
    making.need_repeatable()
    left, right = making.make([0, 1, 2]).swapaxes(0, 1)
    turned = making.make([0, 1, 2], ANGLES[::-1]).swapaxes(0, 1)
    if not (np.array_equal(turned[0], right) and np.array_equal(turned[1], left)):
        raise Failure("angles", "with the angles in another order, it makes other views")


add_common(CHECKS, "synthesisers")
