"""Greedy D-, A- and V-optimal design: gains made of quadratic forms, kept up to date by rank-one corrections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import (
    SHRINK,
    TIE,
    blocks,
    contenders,
    inverse_root,
    lowest_best,
    regular_information,
    squared_norms,
)
from labelbench_plus.algorithms.design.design_purse import Purse

_CONTENDERS = 512  # a block of D, A or V picks is made among so many rows, or N / 32 of them if that is more
_LOOKAHEAD = 64  # longest such block
_PANEL = 64  # rows of a triangular matrix that are multiplied together


class Criterion(ABC):
    """A gain made of quadratic forms x'Kx that one more row in M lowers by (x'u)(x'w).

    u = M⁻¹r / √(1 + r'M⁻¹r) for the new row r, because (M + rr')⁻¹ = M⁻¹ − uu' (Sherman–Morrison). The first form is
    always the leverage x'M⁻¹x, where w = u.
    """

    submodular: bool  # whether a row's gain can only shrink as others are picked

    @abstractmethod
    def afresh(self, rows: Tensor, half: Tensor) -> list[Tensor]:
        """Every form of some rows as a sum of squares, to lose no digits; W = `half` is lower triangular, W'W = M⁻¹."""

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
        self._room = dense.new_empty(_LOOKAHEAD, len(dense))
        self._corrections = self._room[:0]

    def __matmul__(self, vector: Tensor) -> Tensor:
        return torch.addmv(self.dense @ vector, self._corrections.T, self._corrections @ vector, alpha=-1)

    def correct(self, u: Tensor) -> None:
        """Subtract uu' until further notice; `_LOOKAHEAD` times at most."""
        count = len(self._corrections)
        self._room[count] = u
        self._corrections = self._room[: count + 1]

    def fold(self, count: int) -> None:
        """Keep the first `count` corrections for good and forget the others."""
        kept = self._corrections[:count]
        self.dense = torch.addmm(self.dense, kept.T, kept, alpha=-1)
        self._corrections = self._room[:0]


class Determinant(Criterion):
    """Gain of log det: log(1 + leverage). Without prices the leverage itself orders rows the same way."""

    submodular = True

    def afresh(self, rows: Tensor, half: Tensor) -> list[Tensor]:
        return [_lower_times(half, rows.T).square_().sum(dim=0)]

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

    @cached_property
    def moment_root(self) -> Tensor | None:
        """R with R'R = T."""
        if self.moment is None:
            return None
        values, vectors = torch.linalg.eigh(self.moment)
        return (vectors * values.clamp(min=0).sqrt()).T

    def afresh(self, rows: Tensor, half: Tensor) -> list[Tensor]:
        seen = _lower_times(half, rows.T)
        back = _upper_times(half.T, seen)
        if self.moment_root is not None:
            back = self.moment_root @ back
        return [seen.square_().sum(dim=0), back.square_().sum(dim=0)]

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

    among: Tensor  # the contenders
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
        """Compute inverse and forms from a fresh factor of M."""
        half = inverse_root(self.information)
        forms = [self.criterion.afresh(part, half) for _, part in blocks(self.features, self.chunk_bytes)]
        self._restart([torch.cat(parts) for parts in zip(*forms, strict=True)], half.T @ half)

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
        batch = Batch(among, [], [], [], [])
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
            self.inverse.correct(u)
            overlaps = torch.stack(directions) @ rows.T
            for form, stack, direction, overlap in zip(forms, probes, directions, overlaps, strict=True):
                stack.append(direction)
                form.addcmul_(overlaps[0], overlap, value=-1)
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
        rivals = ~self.purse.taken
        rivals[batch.among] = False  # what they gained was looked at, pick by pick
        absorbed = []
        for where, part in blocks(self.features, self.chunk_bytes):
            drops = _drops(part, batch, kept)
            self._lower(where, drops, following)
            # Gains that only shrink cannot overtake: rows outside the contenders stay below their floor.
            if kept > 1 and not self.criterion.submodular:
                kept = self._agreed(where, batch, rivals[where], drops, following)
            absorbed.append((where, len(drops[0])))
        for where, count in absorbed:
            if count > kept:  # this block or a later one took back picks that it had absorbed
                self._lower(where, _drops(self.features[where].double(), batch, kept), following)
        self.forms = following
        self.fresh = False
        self.inverse.fold(kept)
        picked = self.features[batch.picks[:kept]].double()
        self.information.addmm_(picked.T, picked)
        self.purse.buy(batch.picks[:kept])
        return kept

    def _lower(self, where: slice, drops: list[Tensor], following: list[Tensor]) -> None:
        for form, drop, new in zip(self.forms, drops, following, strict=True):
            torch.sub(form[where], drop.sum(dim=0), out=new[where])

    def _agreed(self, where: slice, batch: Batch, rivals: Tensor, drops: list[Tensor], following: list[Tensor]) -> int:
        """How many picks of the batch stand, as far as the rivals in this block, (rows,) bool, can tell."""
        steps = len(drops[0])
        gains = torch.tensor(batch.gains[:steps], dtype=torch.float64, device=rivals.device)
        prices = None if self.purse.prices is None else self.purse.prices[where]
        # The most that a row can have gained at any step: few come near the least of the picks.
        forms = [form[where] for form in self.forms]
        most = [
            following[0][where],
            *(form - drop.clamp(max=0).sum(dim=0) for form, drop in zip(forms[1:], drops[1:], strict=True)),
        ]
        near = (rivals & (self.criterion.gain(most, prices) * (1 + TIE) >= gains.min())).nonzero()[:, 0]
        if len(near) == 0:
            return steps
        # Row s of each product holds the form as it was when pick s was made.
        earlier = torch.ones(steps, steps, dtype=torch.float64, device=near.device).tril_(-1)
        before = [
            torch.addmm(form[near].expand(steps, -1), earlier, drop[:, near], alpha=-1)
            for form, drop in zip(forms, drops, strict=True)
        ]
        prices = None if prices is None else prices[near]
        found = self.criterion.gain(before, prices)
        if prices is not None:
            left = torch.tensor(batch.remaining[:steps], dtype=torch.float64, device=near.device)
            found.masked_fill_(prices > left[:, None], -torch.inf)
        # Rows of higher index must be better by more than a tie; those of lower index win if they tie.
        lower = near + where.start < torch.tensor(batch.picks[:steps], device=near.device)[:, None]
        better = (found > gains[:, None] * (1 + TIE)) | (lower & (found * (1 + TIE) >= gains[:, None]))
        better[0] = False  # the first was the best of all rows
        wrong = better.any(dim=1).nonzero()[:, 0]
        return int(wrong[0]) if len(wrong) else steps


def _drops(part: Tensor, batch: Batch, kept: int) -> list[Tensor]:
    """By how much each of the first `kept` picks lowers each form of some rows: (kept, rows) for every form."""
    overlap, *others = (torch.cat([probe[:kept] for probe in batch.probes]) @ part.T).split(kept)
    partners = [other.mul_(overlap) for other in others]
    return [overlap.square_(), *partners]


def _lower_times(lower: Tensor, columns: Tensor) -> Tensor:
    """The product of a lower triangular matrix, (d, d), with columns, (d, n), in little more than half the work."""
    return torch.cat([lower[part, : part.stop] @ columns[: part.stop] for part in _panels(len(lower))])


def _upper_times(upper: Tensor, columns: Tensor) -> Tensor:
    """The same for an upper triangular matrix."""
    return torch.cat([upper[part, part.start :] @ columns[part.start :] for part in _panels(len(upper))])


def _panels(dimension: int) -> list[slice]:
    """Consecutive rows, few enough for triangles and many enough for products; at least one panel."""
    return [slice(start, min(start + _PANEL, dimension)) for start in range(0, max(1, dimension), _PANEL)]
