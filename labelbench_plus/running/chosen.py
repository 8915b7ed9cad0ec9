"""What the proxy's run bought, for the run that learns from the same labels under another trainer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelbench_plus.oracle import Again
from labelbench_plus.steps import Select
from labelbench_plus.store.run_store import RoundRecord, RunStore, StoreError

if TYPE_CHECKING:
    from numpy.random import Generator

    from labelbench_plus.contracts.strategies import Strategy
    from labelbench_plus.view import View


@dataclass(frozen=True)
class Chosen:
    """A finished run whose choices another run repeats.

    Attributes
    ----------
    run, head: its id, and the hash of its last round, which stands for everything it bought.
    records, costs: of its rounds.
    isolation: how its strategies were kept from labels, as its manifest says; None if they were not.
    """

    run: str
    head: str
    records: tuple[RoundRecord, ...]
    costs: tuple[dict[str, float | None], ...]
    isolation: dict[str, Any] | None = None

    @classmethod
    def of(cls, store: RunStore) -> Chosen:
        """Read a finished run.

        Raises
        ------
        StoreError
            Its files contradict each other.
        """
        isolation = store.manifest().get("isolation")
        return cls(store.id, store.head(), tuple(store.rounds()), tuple(store.costs()), isolation)

    @property
    def provenance(self) -> dict[str, str]:
        """What the manifest of the repeating run says about it."""
        return {"run": self.run, "head": self.head}

    @property
    def concurrency(self) -> int:
        """The most runs that shared its device: above 1, its seconds mean little."""
        return max((int(cost.get("concurrency") or 1) for cost in self.costs), default=1)

    def check(self, store: RunStore) -> None:
        """Refuse to continue a run that was started on other labels.

        Raises
        ------
        StoreError
            Its manifest names another run, or other choices of this one; or it bought others.
        """
        begun = store.manifest().get("selection")
        bought = [record.purchase for record in store.rounds()]
        chosen = [record.purchase for record in self.records[: len(bought)]]
        if begun != self.provenance or [each.as_json() for each in bought] != [each.as_json() for each in chosen]:
            raise StoreError(
                f"{store.folder}: started with the labels of {begun}, but there is now {self.provenance}: "
                "the run that chose them was recomputed and came out differently; remove one of the two folders"
            )

    def select(self, start: int) -> Select:
        """A `select` for the loop that asks for what was bought, from round `start` on.

        It notes the cost of the choice as `strategy.proxy_seconds`: choosing, and training the proxy. Nothing if that
        is lost.
        """
        left = iter(range(start, len(self.records)))

        def again(strategy: Strategy, view: View, n: int, rng: Generator) -> Again:
            number = next(left)
            before = self.costs[number - 1].get("train_seconds", math.nan) if number else 0.0
            view.note("proxy_seconds", (self.costs[number].get("select_seconds", math.nan) or 0.0) + (before or 0.0))
            return Again(self.records[number].purchase)

        return again
