"""Synthesisers that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import numpy as np

from labelbench_plus.synthesisers import Synthesiser, synthesisers
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(synthesisers)


class Shifted(Synthesiser):
    """The photograph, shifted by something of its own; a subclass spoils something."""

    source = "generator"

    def views(self, photographs, rows, angles):
        rows = [int(row) for row in rows]
        shape = (len(rows), len(angles), *photographs.images.shape[1:])
        views = [[self.view(photographs, row, angle) for angle in angles] for row in rows]
        return np.array(views, dtype=np.uint8).reshape(shape)

    def view(self, photographs, row, angle):
        by = photographs.of_row(row).rng("shift").integers(5)
        return np.roll(photographs.images[row], by + int(angle > 0), axis=1)


usual_faults(synthesisers, Shifted, "views")


@bad("declaration")
class FromNowhere(Shifted):
    """Does not say what its views are made of."""

    source = "imagination"


@bad("makes")
class IsNotFinished(Shifted):
    """Is not finished."""

    def views(self, photographs, rows, angles):
        raise NotImplementedError


@bad("makes")
class ReadsTheScene(Shifted):
    """Takes for granted that it is told the scene."""

    def view(self, photographs, row, angle):
        return np.roll(photographs.images[row], int(photographs.scenes.kinds[row, 0]), axis=1)


@bad("form")
class Floats(Shifted):
    """Gives values in 0..1."""

    def views(self, photographs, rows, angles):
        return super().views(photographs, rows, angles) / np.float32(255)


@bad("form")
class TwoViewsAlways(Shifted):
    """Gives two views even where one is asked for."""

    def views(self, photographs, rows, angles):
        return super().views(photographs, rows, (*angles, 0.0)[:2])


@bad("mutation")
class PaintsOver(Shifted):
    """Writes to the photographs."""

    def view(self, photographs, row, angle):
        photographs.images[row, 0, 0] = 0
        return super().view(photographs, row, angle)


@bad("scenes")
class CheatingGenerator(Shifted):
    """Calls itself a generator and is told the scene."""

    needs_scenes = True


@bad("row_by_row")
class ByPlace(Shifted):
    """Draws by the place in what was asked for, not by photograph."""

    def views(self, photographs, rows, angles):
        found = super().views(photographs, rows, angles)
        return np.stack([np.roll(views, place, axis=1) for place, views in enumerate(found)]) if len(found) else found


@bad("angles")
class OneAfterTheOther(Shifted):
    """Makes each view from the one before."""

    def views(self, photographs, rows, angles):
        found = super().views(photographs, rows, angles)
        for place in range(1, len(angles)):
            found[:, place] = found[:, place] // 2 + found[:, place - 1] // 2
        return found


@bad("repeatable")
class Unseeded(Shifted):
    """Draws from a generator of its own."""

    def view(self, photographs, row, angle):
        return np.roll(photographs.images[row], np.random.default_rng().integers(1, 2**31), axis=(0, 1))
