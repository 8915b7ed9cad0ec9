"""Lazy greedy maximisation of a submodular function, for any function that can state its marginal gains."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count


class Objective(Protocol):
    """A submodular set function over N rows, seen through the gains of adding one row to those picked so far.

    Submodularity is what makes laziness exact: a gain never grows, so that an old value is an upper bound.
    """

    @property
    def rows(self) -> int:
        """N, the number of rows to pick from."""

    @property
    def device(self) -> torch.device:
        """Where `sweep`, `bounds` and `gains` live."""

    @property
    def tolerance(self) -> float:
        """Gains closer than this are ties: an allowance for rounding, far below any difference that means something."""

    @property
    def tight(self) -> bool:
        """Whether `sweep` and `bounds` give the gains themselves."""

    @property
    def block(self) -> int:
        """How many rows to evaluate together: as many as cost about what one does."""

    @property
    def patience(self) -> int:
        """After how many `bounds` in one pick a `sweep` is the cheaper way."""

    def reset(self) -> None:
        """Forget the picks."""

    def sweep(self) -> Tensor:
        """Upper bounds on the gains of all rows, (N,) float64, in memory that the caller may write to."""

    def bounds(self, rows: Tensor) -> Tensor:
        """Upper bounds on the gains of some rows, cheaper than `gains` where the objective knows a cheaper way."""

    def gains(self, rows: Tensor) -> Tensor:
        """Gains of some rows, exact up to `tolerance`; float64."""

    def add(self, row: int) -> None:
        """Pick a row whose gain is known since the last pick."""


_STALE, _BOUNDED, _EXACT = 0, 1, 2


class LazyQueue:
    """The rows not picked yet, ordered by upper bounds on gain / price that are tightened only where it matters.

    Parameters
    ----------
    objective: reset here.
    prices: (N,) positive float64; None for one each.
    """

    def __init__(self, objective: Objective, prices: Tensor | None = None) -> None:
        objective.reset()
        self._objective = objective
        self._prices = prices
        self._bounds = objective.sweep()
        self._known = _EXACT if objective.tight else _BOUNDED
        self._state = torch.full_like(self._bounds, self._known, dtype=torch.int8)

    def drop(self, rows: Tensor) -> None:
        """Never offer these rows (indices or a mask) again."""
        self._bounds[rows] = -torch.inf

    def best(self) -> tuple[int, float]:
        """Row with the largest gain (over price) and that gain, at the state of the picks now.

        Ties, that is gains within the tolerance of the objective, go to the lowest index.
        """
        objective, tightened = self._objective, 0
        size = objective.block if objective.tight else 4 * objective.block
        if objective.patience == 0:
            self._refresh_all()
        while True:
            row = self._front()
            state = int(self._state[row])
            if state == _EXACT:
                return row, float(self._bounds[row])
            if state == _STALE and tightened >= objective.patience:
                self._refresh_all()
            elif state == _STALE:
                rows = self._promising(row, _STALE, size)
                self._bounds[rows] = torch.minimum(self._bounds[rows], objective.bounds(rows))
                self._state[rows] = self._known
                tightened += len(rows)
                size *= 2
            else:
                rows = self._promising(row, _BOUNDED, objective.block)
                self._bounds[rows] = objective.gains(rows)
                self._state[rows] = _EXACT

    def pick(self, row: int) -> None:
        """Add the row that `best` returned to the picks."""
        self._objective.add(row)
        self._bounds[row] = -torch.inf
        self._state.fill_(_STALE)

    def _refresh_all(self) -> None:
        self._bounds = torch.minimum(self._bounds, self._objective.sweep())
        self._state.clamp_(min=self._known)

    def _front(self) -> int:
        bounds = self._bounds
        if self._prices is None:
            return int((bounds >= bounds.max() - self._objective.tolerance).to(torch.uint8).argmax())
        largest = (bounds / self._prices).max()
        return int((bounds + self._objective.tolerance >= largest * self._prices).to(torch.uint8).argmax())

    def _promising(self, row: int, state: int, size: int) -> Tensor:
        """`row` and the rows of the same state with the largest bounds (over price), `size` in all at most."""
        if size == 1:
            return torch.tensor([row], device=self._bounds.device)
        keys = self._bounds if self._prices is None else self._bounds / self._prices
        keys = keys.masked_fill(self._state != state, -torch.inf)
        keys[row] = torch.inf
        rows = keys.topk(min(size, len(keys))).indices
        return rows[keys[rows] > -torch.inf]


def lazy_greedy(objective: Objective, n: int) -> Tensor:
    """Pick `n` rows one after another, each with the largest gain given those before it.

    Parameters
    ----------
    objective: any submodular function; it is reset first.
    n: how many rows, 0 <= n <= N.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the objective.

    Raises
    ------
    ValueError
        n is negative or exceeds N.

    Complexity: the same picks as greedy without laziness, with as few evaluations of gains as their upper bounds
    allow; O(N) more per pick.
    Ties: gains within `objective.tolerance` of each other go to the lowest index.
    Guarantee: at least 1 − 1/e of the optimum for a monotone function with value zero on the empty set (Nemhauser,
    Wolsey and Fisher 1978).
    Source: Minoux (1978), "Accelerated greedy algorithms for maximizing submodular set functions".
    """
    check_count(n, objective.rows, "rows")
    picks: list[int] = []
    if n > 0:
        queue = LazyQueue(objective)
        for _ in range(n):
            row, _ = queue.best()
            queue.pick(row)
            picks.append(row)
    return torch.tensor(picks, dtype=torch.int64, device=objective.device)
