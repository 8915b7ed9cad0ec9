"""Stratified sampling by hidden labels: for first rounds only."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from labelbench_plus.oracle import StratifiedDraw
from labelbench_plus.strategies import Strategy, strategies
from labelbench_plus.view import PoolView


@strategies.register("stratified")
@dataclass(frozen=True)
class Stratified(Strategy):
    """Let the oracle draw equal numbers of each class where possible.

    Many papers start this way, though it takes the labels to do so. It can only make the first round, the same for
    every strategy, and results say so.
    """

    title = "Stratified by hidden labels"
    query = "pool"
    uses_hidden_labels = True

    def select(self, view: PoolView, n: int, rng: Generator) -> StratifiedDraw:
        return StratifiedDraw(rng)
