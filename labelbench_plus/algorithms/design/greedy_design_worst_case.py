"""Greedy G-optimal design: the row that lowers the largest prediction variance most."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import SHRINK, TIE, blocks, contenders, inverse_root, mapped_norms
from labelbench_plus.algorithms.design.design_purse import Purse

_HARD = 32  # hard targets remembered from one G pick to the next
_TRIED = 16  # candidates that G values over all targets at a time


class WorstCase:
    """Prediction variances t'M⁻¹t of the targets, and the exact search for the row that lowers their maximum most.

    Adding x turns the variance of t into t'M⁻¹t − (t'M⁻¹x)² / (1 + x'M⁻¹x). The maximum over a few hard targets is a
    lower bound of the maximum over all, so it rules out most candidates; valuing a promising one over all targets
    names the hard target that was missing (a cutting-plane method).
    """

    def __init__(self, features: Tensor, targets: Tensor, information: Tensor, chunk_bytes: int) -> None:
        self.features = features
        self.targets = targets
        self.information = information
        self.chunk_bytes = chunk_bytes
        self.hard: list[int] = []
        self._recompute()

    def _recompute(self) -> None:
        half = inverse_root(self.information)
        self.inverse = half.T @ half
        self.leverages = mapped_norms(self.features, half, self.chunk_bytes)
        self.variances = mapped_norms(self.targets, half, self.chunk_bytes)
        self.reference = float(self.variances.max())

    def add(self, pick: int) -> None:
        """Put a row of the features into M."""
        row = self.features[pick].double()
        u = self.inverse @ row
        u /= (1 + row @ u).sqrt()
        for values, rows in ((self.leverages, self.features), (self.variances, self.targets)):
            for where, part in blocks(rows, self.chunk_bytes):
                values[where] -= (part @ u).square_()
        self.information.addr_(row, row)
        half = inverse_root(self.information)
        self.inverse = half.T @ half
        if float(self.variances.max()) < SHRINK * self.reference:
            self._recompute()

    def best(self, purse: Purse) -> int:
        """The affordable row whose addition lowers the largest variance most, per price if there are prices."""
        worst = float(self.variances.max())
        slack = TIE * worst
        prices = torch.ones_like(self.leverages) if purse.prices is None else purse.prices
        waiting = purse.affordable()
        index = torch.arange(len(waiting), device=waiting.device)
        # The hard targets of the last picks are as a rule still hard.
        self.hard = list(dict.fromkeys([int(self.variances.argmax()), *self.hard]))[:_HARD]
        most = torch.full_like(self.leverages, torch.inf)  # bound of the gain; the gain itself once valued
        self._tighten(most, self.hard, worst)
        valued = torch.zeros_like(waiting)
        best, winner = -torch.inf, len(waiting)
        while True:
            beats = (most - slack) / prices > best
            ties = ((most + slack) / prices >= best) & (index < winner)
            hopeful = ((beats | ties) & waiting).nonzero()[:, 0]
            if len(hopeful) == 0:
                return winner
            chosen = hopeful[contenders(most[hopeful] / prices[hopeful], _TRIED)[0]]
            values, hardest = self._value(chosen)
            waiting[chosen] = False
            valued[chosen] = True
            missing = [t for t in dict.fromkeys(hardest.tolist()) if t not in self.hard]
            self.hard = missing + self.hard
            self._tighten(most, missing, worst)
            most[chosen] = worst - values
            best = float((most[valued] / prices[valued]).max())
            winner = int((valued & ((most + slack) / prices >= best)).nonzero()[0])

    def _tighten(self, most: Tensor, hard: list[int], worst: float) -> None:
        """Lower the bounds of all gains to what these targets allow."""
        if not hard:
            return
        probes = self.targets[hard].double() @ self.inverse
        variances = self.variances[hard, None]
        for where, part in blocks(self.features, self.chunk_bytes):
            after = (probes @ part.T).square_()
            after.div_(1 + self.leverages[where]).neg_().add_(variances)
            most[where] = torch.minimum(most[where], worst - after.amax(dim=0))

    def _value(self, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """The largest variance after adding each of a few candidates, and the target that has it."""
        probes = self.features[candidates].double() @ self.inverse
        scale = 1 + self.leverages[candidates, None]
        values = torch.full((len(candidates),), -torch.inf, dtype=torch.float64, device=probes.device)
        hardest = torch.zeros_like(candidates)
        for where, part in blocks(self.targets, self.chunk_bytes):
            after = (probes @ part.T).square_()
            top = after.div_(scale).neg_().add_(self.variances[where]).max(dim=1)
            better = top.values > values
            values[better] = top.values[better]
            hardest[better] = top.indices[better] + where.start
        return values, hardest
