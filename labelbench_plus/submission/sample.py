"""Which parts of a submission are done again: drawn when everything is sent in, so that nobody can know them before.

A forger who knows how often parts are drawn, but not which, is found with a chance that `least_found` states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from labelbench_plus.spec import RunSpec

SURE = 0.95


@dataclass(frozen=True)
class Sample:
    """What is done again: cells (run, round) to train, rounds (run, round) to choose, and runs to do from the start.

    `of`: among how many cells those to train were drawn.
    """

    cells: tuple[tuple[str, int], ...]
    choices: tuple[tuple[str, int], ...]
    whole: tuple[str, ...]
    of: int = 0

    def __str__(self) -> str:
        return f"{len(self.cells)} of {self.of} cells, {len(self.choices)} choices, {len(self.whole)} whole runs"

    @property
    def chance(self) -> str:
        """What the sample is good for, in a sentence."""
        least = least_found(len(self.cells), self.of)
        return f"of scores altered beyond the tolerance in {least:.0%} of the cells it holds one with {SURE:.0%} chance"


def draw(specs: Mapping[str, RunSpec], cells: int, whole: int, rng: Generator) -> Sample:
    """Draw cells without repetition, all alike likely, and whole runs.

    With each cell the round after it is chosen again, by the model that the cell was trained for; with a last round's,
    that round itself. A first round that is the same for all strategies is no choice of theirs.
    """
    every = [(identity, number) for identity in sorted(specs) for number in range(len(specs[identity].amounts))]
    drawn = [every[index] for index in rng.permutation(len(every))[:cells]]
    choices = {(identity, min(number + 1, len(specs[identity].amounts) - 1)) for identity, number in drawn}
    own = {(identity, number) for identity, number in choices if number or specs[identity].initial is None}
    runs = [sorted(specs)[index] for index in rng.permutation(len(specs))[:whole]]
    return Sample(tuple(sorted(drawn)), tuple(sorted(own)), tuple(sorted(runs)), len(every))


def least_found(drawn: int, of: int) -> float:
    """The smallest share of altered cells of which a sample holds at least one with a chance of `SURE`."""
    from scipy.stats import hypergeom

    if not drawn:
        return 1.0
    least = next(altered for altered in range(1, of + 1) if hypergeom.pmf(0, of, altered, drawn) <= 1 - SURE)
    return least / of
