"""What a strategy that chooses among pairs is: one or more stages of scoring a stream and keeping the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labelbench_plus.contracts.strategies import Strategy

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.pairs.reading import PoolReader, ShardReader
    from labelbench_plus.pairs.view import Chosen, PairView

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Stage:
    """Score what is left and keep `count` of it, or, if `at_least` is given, all that reach that score.

    A `count` is of rows; `at_least` leaves their number to the data.
    """

    scorer: PairStrategy
    count: int | None = None
    at_least: float | None = None


class PairStrategy(Strategy):
    """Decides which image-text pairs to train on.

    Most are a single stage of their own: `prepare` computes a small state from global statistics once, `score` scores
    one shard with it, and the exact best over all shards are kept. Higher is better; −∞ is never kept.

    Attributes
    ----------
    needs: "images" and "texts" (the teacher's vectors), "targets", "scores" (columns that come with the pool),
        "metadata" (captions, languages, sizes), "truth" (what each pair really is, for bounds).
    whole_pool: the scores of a row depend on which others are in, so that one task scores all shards (`score_all`).
    """

    query = "pairs"
    whole_pool: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the pool's columns that are read, scores and metadata alike."""
        return ()

    def stages(self, rows: int, count: int | None) -> tuple[Stage, ...]:
        """The stages that keep `count` of `rows` pairs in the end. Fractions are of `rows`, in every stage.

        Raises
        ------
        ValueError
            The stages do not fit each other.
        """
        return (Stage(self, count),)

    def prepare(self, pool: PoolReader) -> State:
        """What every shard needs to be scored: named arrays, small."""
        return {}

    def units(self, shards: Sequence[str], seed: int) -> list[list[int]]:
        """Which shards, by their places among these names, are scored together: each by itself, as a rule."""
        return [[place] for place in range(len(shards))]

    def score_unit(self, shards: Sequence[ShardReader], state: State) -> list[np.ndarray]:
        """The scores of a unit's shards. Only who mixes shards has to write this one instead of `score`."""
        return [self.score(shard, state) for shard in shards]

    def score(self, shard: ShardReader, state: State) -> np.ndarray:
        """(rows,) scores of a shard, float32 or float64: they are ranked as they are."""
        raise NotImplementedError

    def score_all(self, shards: Sequence[ShardReader], state: State, count: int) -> list[np.ndarray]:
        """The scores of all shards, for a strategy of the `whole_pool` that is to keep `count` rows."""
        raise NotImplementedError

    def select(self, view: PairView, n: int, rng: Generator) -> Chosen:
        """Choose `n` pairs."""
        return view.best(self, n, int(rng.integers(2**63)))


def fraction_of(rows: int, fraction: float) -> int:
    """floor(rows · fraction), computed as the authors do."""
    return int(rows * fraction)


def as_arrays(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A state's tensors as arrays."""
    return {name: value.cpu().numpy() if hasattr(value, "cpu") else value for name, value in state.items()}
