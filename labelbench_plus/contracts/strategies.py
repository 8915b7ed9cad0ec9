"""Strategies: one file each, one folder per family. A strategy decides what to buy next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelbench_plus.plugins import Plugin, Registry

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from labelbench_plus.view import PoolView


@dataclass(frozen=True)
class Cost:
    """The most that a strategy takes to choose 50 of 50,000 candidates with 512 features and ten classes.

    Attributes
    ----------
    seconds: on one core of a typical machine.
    megabytes: beyond what it reads from its view.
    """

    seconds: float = 60.0
    megabytes: float = 1024.0


class Strategy(Plugin):
    """Decides what to buy next.

    Attributes
    ----------
    query: the kind of question that it asks ("pool": indices of a pool; "sources": an allocation over sources). A
        problem answers one kind.
    needs: the capabilities it reads from its view; reading anything else is refused.
    uses_hidden_labels: whether its choice depends on labels that were not bought. Such a strategy may only make the
        first round, and results say so.
    knows_truth: whether it reads what no learner can know, such as the true heads of a synthetic problem. It is a
        bound, not a method, and results say so.
    cost: the most that a choice takes; `lbp check` holds the strategy to it.
    """

    query: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    uses_hidden_labels: ClassVar[bool] = False
    knows_truth: ClassVar[bool] = False
    cost: ClassVar[Cost] = Cost()

    def select(self, view: Any, n: int, rng: Generator) -> Any:
        """Choose what to buy with a budget of `n`."""
        raise NotImplementedError


class PoolStrategy(Strategy):
    """Decides which pool items to label."""

    query = "pool"

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        """Return exactly `n` distinct entries of `view.candidates`, best first.

        Parameters
        ----------
        view: what may be known in this round; only what `needs` names can be read.
        n: how many, between 0 and the number of candidates.
        rng: the only source of randomness.
        """
        raise NotImplementedError


strategies = Registry("strategy", Strategy, "labelbench_plus.strategies")
