"""What a strategy that divides a budget over sources is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelbench_plus.contracts.strategies import Strategy

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.source_tasks.allocation import Allocation
    from labelbench_plus.source_tasks.view import SourceView


class SourceStrategy(Strategy):
    """Decides how many labels to buy of which source."""

    query = "sources"

    def select(self, view: SourceView, n: int, rng: Generator) -> Allocation:
        """Return an allocation of exactly `n` labels.

        Where labels have prices (`view.unpriced` is false), `n` is only the most that the money could buy: the
        allocation may cost up to `view.money` and must leave less than the highest price.

        Parameters
        ----------
        view: what may be known in this round; only arrays named in `needs` can be read.
        n: how many labels, over all sources.
        rng: the only source of randomness.
        """
        raise NotImplementedError
