"""Greedy D-, A- and V-optimal design: gains made of quadratic forms, kept up to date by rank-one corrections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import (
    SHRINK,
    TIE,
    blocks,
    contenders,
    inverse_root,
    lowest_best,
    mapped_norms,
    regular_information,
    squared_norms,
)
from labelbench_plus.algorithms.design.design_purse import Purse

_CONTENDERS = 1024  # a block of D, A or V picks is made among so many rows, or N / 32 of them if that is more
_LOOKAHEAD = 64  # longest such block


class Criterion(ABC):
    """A gain made of quadratic forms x'Kx that one more row in M lowers by (x'u)(x'w).

    u = M⁻¹r / √(1 + r'M⁻¹r) for the new row r, because (M + rr')⁻¹ = M⁻¹ − uu' (Sherman–Morrison). The first form is
    always the leverage x'M⁻¹x, where w = u.
    """

    submodular: bool  # whether a row's gain can only shrink as others are picked

    @abstractmethod
    def roots(self, half: Tensor) -> list[Tensor]:
        """Matrices W with x'Kx = ‖Wx‖² for every form, given the first: W'W = M⁻¹."""

    @abstractmethod
    def isotropic(self, ridge: float) -> list[float] | None:
        """The factors c with x'Kx = c‖x‖² for every form while M = ridge·I; None where it is not so simple."""

    @abstractmethod
    def partners(self, u: Tensor, inverse: Inverse) -> list[Tensor]:
        """The vectors w of the forms after the leverage; `inverse` is M⁻¹ before the new row."""

    @abstractmethod
    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        """The gain, over the price if there are prices, of rows with these forms."""


class Inverse:
    """M⁻¹ as a dense matrix minus the rank-one corrections of the picks not yet folded in."""

    def __init__(self, dense: Tensor) -> None:
        self.dense = dense
        self.corrections: list[Tensor] = []

    def __matmul__(self, vector: Tensor) -> Tensor:
        product = self.dense @ vector
        if self.corrections:
            stack = torch.stack(self.corrections)
            product -= stack.T @ (stack @ vector)
        return product

    def fold(self, count: int) -> None:
        """Keep the first `count` corrections for good and forget the others."""
        stack = torch.stack(self.corrections[:count])
        self.dense = self.dense - stack.T @ stack
        self.corrections = []


class Determinant(Criterion):
    """Gain of log det: log(1 + leverage). Without prices the leverage itself orders rows the same way."""

    submodular = True

    def roots(self, half: Tensor) -> list[Tensor]:
        return [half]

    def isotropic(self, ridge: float) -> list[float] | None:
        return [1 / ridge]

    def partners(self, u: Tensor, inverse: Inverse) -> list[Tensor]:
        return []

    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        leverage = forms[0].clamp(min=0)
        return leverage if prices is None else leverage.log1p_().div_(prices)


class Trace(Criterion):
    """Gain of tr(M⁻¹T): x'M⁻¹TM⁻¹x / (1 + leverage); `moment` None stands for T = I."""

    submodular = False

    def __init__(self, moment: Tensor | None) -> None:
        self.moment = moment

    def roots(self, half: Tensor) -> list[Tensor]:
        inverse = half.T @ half
        if self.moment is None:
            return [half, inverse]
        values, vectors = torch.linalg.eigh(self.moment)
        return [half, (vectors * values.clamp(min=0).sqrt()).T @ inverse]

    def isotropic(self, ridge: float) -> list[float] | None:
        return [1 / ridge, 1 / ridge**2] if self.moment is None else None

    def partners(self, u: Tensor, inverse: Inverse) -> list[Tensor]:
        # x'(M⁻¹−uu')T(M⁻¹−uu')x = x'M⁻¹TM⁻¹x − (x'u)(2 x'M⁻¹Tu − (u'Tu) x'u)
        moved = u if self.moment is None else self.moment @ u
        return [2 * (inverse @ moved) - (u @ moved) * u]

    def gain(self, forms: list[Tensor], prices: Tensor | None) -> Tensor:
        gain = forms[1] / (forms[0] + 1)
        return gain if prices is None else gain.div_(prices)


@dataclass
class Batch:
    """Picks made among the contenders alone, in order."""

    picks: list[int]
    gains: list[float]
    remaining: list[float]  # budget before each pick
    probes: list[Tensor]  # for every form, (picks, d): u for the leverage, w for the others


def forward(
    features: Tensor,
    n: int,
    criterion: Criterion,
    ridge: float,
    labelled: Tensor | None,
    purse: Purse,
    chunk_bytes: int,
) -> Tensor:
    """Pick `n` rows, or as many as can be paid for, each with the largest gain; LongTensor in pick order."""
    forms = Forms(features, criterion, regular_information(features, ridge, labelled), purse, chunk_bytes)
    if n:
        forms.start(ridge if labelled is None else None)
    ahead = _LOOKAHEAD
    while len(purse.order) < n:
        gains = forms.gains()
        if float(gains.max()) == -torch.inf:
            break
        if forms.worn(lowest_best(gains)):
            forms.recompute()
            continue
        batch = forms.speculate(gains, min(ahead, n - len(purse.order)))
        kept = forms.settle(batch)
        # Where guesses were taken back, guess less far the next time.
        ahead = min(2 * ahead, _LOOKAHEAD) if kept == len(batch.picks) else kept + 1
    return purse.picks()


class Forms:
    """The quadratic forms of every row, and the block-wise greedy on them."""

    def __init__(
        self, features: Tensor, criterion: Criterion, information: Tensor, purse: Purse, chunk_bytes: int
    ) -> None:
        self.features = features
        self.criterion = criterion
        self.information = information
        self.purse = purse
        self.chunk_bytes = chunk_bytes

    def start(self, ridge: float | None) -> None:
        """Compute the forms; `ridge` says that M = ridge·I, which saves the O(N d²) of the general case."""
        scales = None if ridge is None else self.criterion.isotropic(ridge)
        if scales is None or ridge is None:
            self.recompute()
            return
        norms = squared_norms(self.features, self.chunk_bytes)
        self._restart([norms * scale for scale in scales], self.information / ridge**2)

    def recompute(self) -> None:
        """Compute inverse and forms from a fresh factor of M: sums of squares, which cancel nothing."""
        half = inverse_root(self.information)
        forms = [mapped_norms(self.features, root, self.chunk_bytes) for root in self.criterion.roots(half)]
        self._restart(forms, half.T @ half)

    def _restart(self, forms: list[Tensor], inverse: Tensor) -> None:
        self.forms = forms
        self.reference = [form.clone() for form in forms]
        self.fresh = True
        self.inverse = Inverse(inverse)

    def worn(self, row: int) -> bool:
        """Whether subtraction has shrunk a form of this row too far since the last recomputation."""
        return not self.fresh and any(
            float(form[row]) < SHRINK * float(reference[row])
            for form, reference in zip(self.forms, self.reference, strict=True)
        )

    def gains(self) -> Tensor:
        gains = self.criterion.gain(self.forms, self.purse.prices)
        return gains.masked_fill_(~self.purse.affordable(), -torch.inf)

    def speculate(self, gains: Tensor, most: int) -> Batch:
        """Pick up to `most` rows greedily among the contenders alone, while no other row should interfere."""
        among, floor, rival = contenders(gains, max(_CONTENDERS, len(gains) // 32))
        rows = self.features[among].double()
        forms = [form[among] for form in self.forms]
        least = [SHRINK * form[among] for form in self.reference]
        prices = None if self.purse.prices is None else self.purse.prices[among]
        remaining = float("inf") if self.purse.remaining is None else self.purse.remaining
        shut = self.purse.taken[among]
        batch = Batch([], [], [], [])
        probes: list[list[Tensor]] = [[] for _ in forms]
        while len(batch.picks) < most:
            current = self.criterion.gain(forms, prices).masked_fill_(shut, -torch.inf)
            if prices is not None:
                current.masked_fill_(prices > remaining, -torch.inf)
            at = lowest_best(current)
            pick, gain = int(among[at]), float(current[at])
            if gain == -torch.inf:
                break
            if batch.picks:  # the first is the best of all rows, and its digits have been looked at
                worn = any(float(form[at]) < float(low[at]) for form, low in zip(forms, least, strict=True))
                if worn or gain * (1 + TIE) < floor or (gain <= floor * (1 + TIE) and pick > rival):
                    break
            u = self.inverse @ rows[at]
            u /= (1 + rows[at] @ u).sqrt()
            directions = [u, *self.criterion.partners(u, self.inverse)]
            self.inverse.corrections.append(u)
            overlap = rows @ u
            for form, stack, direction in zip(forms, probes, directions, strict=True):
                stack.append(direction)
                form.addcmul_(overlap, overlap if direction is u else rows @ direction, value=-1)
            batch.picks.append(pick)
            batch.gains.append(gain)
            batch.remaining.append(remaining)
            shut[at] = True
            if prices is not None:
                remaining -= float(prices[at])
        batch.probes = [torch.stack(stack) for stack in probes]
        return batch

    def settle(self, batch: Batch) -> int:
        """Bring all rows up to date with a batch, as far as greedy agrees with it, and say how far that is."""
        kept = len(batch.picks)
        following = [torch.empty_like(form) for form in self.forms]
        absorbed = []
        for where, part in blocks(self.features, self.chunk_bytes):
            drops = self._drops(part, batch, kept)
            # Gains that only shrink cannot overtake: rows outside the contenders stay below their floor.
            if kept > 1 and not self.criterion.submodular:
                kept = self._agreed(where, batch, drops)
            self._lower(where, drops, kept, following)
            absorbed.append((where, kept))
        for where, count in absorbed:
            if count > kept:  # a later block took back picks that this one had absorbed
                self._lower(where, self._drops(self.features[where].double(), batch, kept), kept, following)
        self.forms = following
        self.fresh = False
        self.inverse.fold(kept)
        picked = self.features[batch.picks[:kept]].double()
        self.information.addmm_(picked.T, picked)
        self.purse.buy(batch.picks[:kept])
        return kept

    def _drops(self, part: Tensor, batch: Batch, kept: int) -> list[Tensor]:
        """By how much each of the first `kept` picks lowers each form of some rows: (kept, rows) for every form."""
        overlap = batch.probes[0][:kept] @ part.T
        partners = [(probe[:kept] @ part.T).mul_(overlap) for probe in batch.probes[1:]]
        return [overlap.square_(), *partners]

    def _lower(self, where: slice, drops: list[Tensor], kept: int, following: list[Tensor]) -> None:
        for form, drop, new in zip(self.forms, drops, following, strict=True):
            torch.sub(form[where], drop[:kept].sum(dim=0), out=new[where])

    def _agreed(self, where: slice, batch: Batch, drops: list[Tensor]) -> int:
        """How many picks of the batch stand, as far as the rows of this block can tell."""
        steps, rows = drops[0].shape
        # Row s of each product holds the form as it was when pick s was made.
        earlier = torch.ones(steps, steps, dtype=torch.float64, device=drops[0].device).tril_(-1)
        before = [
            torch.addmm(form[where].expand(steps, rows), earlier, drop, alpha=-1)
            for form, drop in zip(self.forms, drops, strict=True)
        ]
        prices = None if self.purse.prices is None else self.purse.prices[where]
        gains = self.criterion.gain(before, prices)
        gains.index_fill_(1, self.purse.taken[where].nonzero()[:, 0], -torch.inf)
        if self.purse.remaining is not None and prices is not None:
            left = torch.tensor(batch.remaining[:steps], dtype=torch.float64, device=gains.device)
            gains.masked_fill_(prices > left[:, None], -torch.inf)
        picked = [(step, pick - where.start) for step, pick in enumerate(batch.picks[:steps])]
        for step, pick in picked:
            if 0 <= pick < rows:
                gains[step:, pick] = -torch.inf
        rivals = gains.amax(dim=1).tolist()
        for step, pick in picked[1:]:  # the first was the best of all rows
            gain = batch.gains[step]
            # Rows of higher index must be better by more than a tie; those of lower index win if they tie.
            lower = rivals[step] if pick >= rows else float(gains[step, :pick].max()) if pick > 0 else -torch.inf
            if rivals[step] > gain * (1 + TIE) or lower * (1 + TIE) >= gain:
                return step
        return steps
