"""Sources as a strategy sees them in one round."""

from __future__ import annotations

import numpy as np

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.source_tasks.space import Space
from labelbench_plus.view import Providers, View

HEADS = (
    Capability(
        "source_heads", "(k, S)", "with a model", "a product of matrices", "the model's head of every source", "nothing"
    ),
    Capability("target_heads", "(k, T)", "with a model", "a product of matrices", "those of every target", "nothing"),
    Capability("head_noise", "(T,)", "with a model", "nothing", "what is noise in a target's head", "nothing"),
    Capability("task_map", "(k, p)", "with a model", "a product of matrices", "from descriptors to heads", "nothing"),
)
"""What trainers of source tasks may offer."""
_OF_TARGETS = ("true_target_heads", "true_task_map")
TRUE_HEADS, TRUE_MAP = (
    (Capability("true_heads", shape, "always", "nothing", "the true heads, for bounds", attributes=attributes),)
    for shape, attributes in (
        ("(k, S), (k, T), (k, p)", ("true_source_heads", *_OF_TARGETS)),
        ("(k, T), (k, p)", _OF_TARGETS),
    )
)
"""What problems may tell bounds: of a list of sources, and of a continuous space of them."""


class SourceView(View):
    """What may be known of sources and targets.

    All arrays are private copies that cannot be written to. What a trainer declares beyond the attributes below is
    served under its name.

    Attributes
    ----------
    space: where sources come from.
    sources: ids (S,) of a finite list; on a continuous space the descriptors (S, d) of the sources bought from so far.
    bought: (S,) labels bought of each of `sources`.
    prices: (S,) what a label of each costs. opening_prices: (S,) what the next purchase costs on top: zero where it was
        paid before. remaining: (S,) labels left, infinite for a generator.
    passive_sources: what a learner who knows nothing asks: all ids, or a fixed set of descriptors (m, d), the same in
        every round and for every strategy.
    rank: k.
    money: the budget of this round.
    unpriced: whether every label costs one unit and opening costs nothing, so that n labels cost n.
    """

    sources: np.ndarray
    bought: np.ndarray
    prices: np.ndarray
    opening_prices: np.ndarray
    remaining: np.ndarray
    passive_sources: np.ndarray

    def __init__(
        self,
        needs: frozenset[str],
        providers: Providers,
        space: Space,
        sources: np.ndarray,
        bought: np.ndarray,
        prices: np.ndarray,
        opening_prices: np.ndarray,
        remaining: np.ndarray,
        passive_sources: np.ndarray,
        rank: int,
        money: float,
        unpriced: bool,
    ) -> None:
        super().__init__(needs, providers)
        self._show(sources=sources, bought=bought, prices=prices, opening_prices=opening_prices)
        self._show(remaining=remaining, passive_sources=passive_sources)
        self.space, self.rank, self.money, self.unpriced = space, rank, money, unpriced

    @property
    def source_heads(self) -> np.ndarray:
        """(k, S) the current model's head of every source of a finite list, in whitened coordinates.

        Those make E φφᵀ the identity over the targets' inputs, so that ‖W ν − w‖² is a risk of prediction. A source
        never bought from has head zero. Needs "source_heads".
        """
        return self._read("source_heads")

    @property
    def target_heads(self) -> np.ndarray:
        """(k, T) the same of every target. Needs "target_heads"."""
        return self._read("target_heads")

    @property
    def head_noise(self) -> np.ndarray:
        """(T,) k σ̂² / n: the squared length of what is noise in a target's head. Needs "head_noise"."""
        return self._read("head_noise")

    @property
    def task_map(self) -> np.ndarray:
        """(k, p) the map from a descriptor ψ(w) to the source's head, whitened. Needs "task_map"."""
        return self._read("task_map")

    @property
    def true_source_heads(self) -> np.ndarray:
        """(k, S) the true heads. Needs "true_heads"."""
        return self._read("true_source_heads", "true_heads")

    @property
    def true_target_heads(self) -> np.ndarray:
        """(k, T) the same of the targets. Needs "true_heads"."""
        return self._read("true_target_heads", "true_heads")

    @property
    def true_task_map(self) -> np.ndarray:
        """(k, p) the true map from descriptors to heads. Needs "true_heads"."""
        return self._read("true_task_map", "true_heads")
