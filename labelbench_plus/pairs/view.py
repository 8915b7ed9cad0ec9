"""A pool of pairs as a strategy sees it, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.view import CapabilityError, View

if TYPE_CHECKING:
    from labelbench_plus.algorithms.blocks.stream_top_n import Cut
    from labelbench_plus.contracts.pair_pools import OpenPool


COLUMNS = tuple(
    Capability(name, shape, "always", "reading the shard", what, "nothing")
    for name, shape, what in (
        ("images", "(rows, d) float", "the teacher's vectors of images"),
        ("texts", "(rows, d) float", "the teacher's vectors of texts"),
        ("targets", "(t, d) float", "vectors of what the choice is for"),
        ("scores", "(rows,) float", "scores that come with the pool"),
        ("metadata", "(rows,)", "captions, languages, sizes"),
        ("truth", "(rows,) str", "what each pair really is, for bounds"),
    )
)
"""What a strategy may read of a pool of pairs, shard by shard."""


@dataclass(frozen=True)
class Chosen:
    """A choice among a pool's pairs, shard by shard.

    Attributes
    ----------
    masks: for each shard (rows,) bool, the rows that were chosen.
    cuts: where each stage cut.
    scores: the last stage's scores of the rows that were in it, shard by shard.
    """

    masks: list[np.ndarray]
    cuts: list[Cut] = field(default_factory=list)
    scores: list[np.ndarray] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(int(mask.sum()) for mask in self.masks)

    def uids(self, pool: OpenPool) -> Iterator[np.ndarray]:
        """The uids chosen, shard by shard."""
        for index, mask in enumerate(self.masks):
            yield pool.uids(index)[mask]


class PairView(View):
    """A stream of pairs that a strategy scores, never a matrix of all of them.

    Parameters
    ----------
    keep: (strategy, n, seed) -> what the strategy keeps of the pairs that can be bought; it reads the pool as it goes.
    """

    def __init__(self, needs: frozenset[str], keep: Callable[[Any, int, int], Chosen]) -> None:
        super().__init__(needs, {})
        self._keep = keep

    def best(self, strategy: Any, n: int, seed: int) -> Chosen:
        """The `n` pairs that a strategy keeps.

        Raises
        ------
        CapabilityError
            The strategy reads what was not declared.
        """
        if undeclared := strategy.needs - self._needs:
            raise CapabilityError(f"{', '.join(sorted(undeclared))} were not declared to be needed")
        return self._keep(strategy, n, seed)
