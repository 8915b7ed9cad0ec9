"""Sources as a strategy sees them in one round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from labelbench_plus.source_tasks.space import Space
from labelbench_plus.view import View


class SourceView(View):
    """What may be known of sources and targets.

    All arrays are private copies; the computed ones cannot be written to.

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
    money: what may be spent in this round.
    unpriced: whether every label costs one unit and opening costs nothing, so that n labels cost n.
    """

    def __init__(
        self,
        needs: frozenset[str],
        providers: Mapping[str, tuple[str, Callable[[], Any]]],
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
        self.space, self.sources, self.bought = space, sources, bought
        self.prices, self.opening_prices, self.remaining = prices, opening_prices, remaining
        self.passive_sources, self.rank, self.money, self.unpriced = passive_sources, rank, money, unpriced

    @property
    def source_heads(self) -> np.ndarray:
        """(k, S) the current model's head of every source of a finite list, in whitened coordinates.

        Those make E φφᵀ the identity over the targets' inputs, so that ‖W ν − w‖² is a risk of prediction. A source
        never bought from has head zero. Needs "source_heads".
        """
        return np.asarray(self._read("source_heads"))

    @property
    def target_heads(self) -> np.ndarray:
        """(k, T) the same of every target. Needs "target_heads"."""
        return np.asarray(self._read("target_heads"))

    @property
    def head_noise(self) -> np.ndarray:
        """(T,) k σ̂² / n: the squared length of what is noise in a target's head. Needs "head_noise"."""
        return np.asarray(self._read("head_noise"))

    @property
    def task_map(self) -> np.ndarray:
        """(k, p) the map from a descriptor ψ(w) to the source's head, whitened. Needs "task_map"."""
        return np.asarray(self._read("task_map"))

    @property
    def true_source_heads(self) -> np.ndarray:
        """(k, S) the true heads. Needs "true_heads"."""
        return np.asarray(self._read("true_source_heads"))

    @property
    def true_target_heads(self) -> np.ndarray:
        """(k, T) the same of the targets. Needs "true_heads"."""
        return np.asarray(self._read("true_target_heads"))

    @property
    def true_task_map(self) -> np.ndarray:
        """(k, p) the true map from descriptors to heads. Needs "true_heads"."""
        return np.asarray(self._read("true_task_map"))
