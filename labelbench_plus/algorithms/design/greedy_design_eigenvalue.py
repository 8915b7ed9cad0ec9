"""Greedy E-optimal design: the row that raises the smallest eigenvalue most."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import TIE, blocks, contenders, mapped_norms, squared_norms
from labelbench_plus.algorithms.design.design_purse import Purse

_EQUAL = 1e-7  # eigenvalues this close are one eigenvalue to E
_NEGLIGIBLE = 1e-12  # share of a row's squared norm that E takes for rounding
_TERMS = 16  # eigenvectors in E's first bound
_SOLVED = 128  # rows that E solves in full at a time
_HALVINGS = 45


def best_eigenvalue(features: Tensor, information: Tensor, purse: Purse, chunk_bytes: int) -> int:
    """The affordable row that most raises the lowest eigenvalue one row can raise (see `e_optimal`)."""
    waiting = purse.affordable()
    eigenvalues, vectors = torch.linalg.eigh(information)
    norms = squared_norms(features, chunk_bytes)
    first = 0
    while first < len(eigenvalues):
        lowest = eigenvalues[first]
        width = int((eigenvalues[first:] <= lowest * (1 + _EQUAL)).sum())
        energy = _energy(features, vectors, first, width, norms, chunk_bytes)
        if bool((energy[waiting] > 0).any()):
            gaps = eigenvalues[first + width :] - lowest
            search = _Secular(features, vectors[:, first + width :], gaps, energy, purse, chunk_bytes)
            return search.best(waiting)
        first += width  # no row reaches this eigenspace, so that it is the same whichever is picked
    return int(waiting.nonzero()[0])


def _energy(features: Tensor, vectors: Tensor, first: int, width: int, norms: Tensor, chunk_bytes: int) -> Tensor:
    """Squared length of every row inside the eigenspace `first : first + width`, zero where it is mere rounding."""
    dimension = vectors.shape[1]
    if first == 0 and width > dimension // 2:  # cheaper as what is left over by the rest of the space
        energy = norms - mapped_norms(features, vectors[:, width:].T, chunk_bytes)
    else:
        energy = mapped_norms(features, vectors[:, first : first + width].T, chunk_bytes)
    return energy.masked_fill_(energy <= _NEGLIGIBLE * norms, 0)


class _Secular:
    """The search for the largest root δ of 1 − a/δ + Σⱼ bⱼ/(gapⱼ − δ) = 0 below the first gap, over all rows.

    δ is how far adding the row raises the eigenvalue, a the row's energy in its eigenspace and bⱼ that along the
    eigenvector gapⱼ above (Golub, SIAM Review 1973, section 5). The left side grows with δ: it is negative at δ
    exactly if the row's root lies beyond, which one evaluation tells, and dropping terms only makes it smaller.
    """

    def __init__(
        self,
        features: Tensor,
        vectors: Tensor,
        gaps: Tensor,
        energy: Tensor,
        purse: Purse,
        chunk_bytes: int,
    ) -> None:
        self.features = features
        self.vectors = vectors  # the eigenvectors above the eigenspace, one for each gap
        self.gaps = gaps
        self.energy = energy
        self.prices = torch.ones_like(energy) if purse.prices is None else purse.prices
        terms = vectors[:, :_TERMS].T
        self.terms = torch.empty(terms.shape[0], features.shape[0], dtype=torch.float64, device=features.device)
        for where, part in blocks(features, chunk_bytes):
            self.terms[:, where] = (terms @ part.T).square_()
        self.most = _two_level(energy, self.terms[0], gaps[0]) if len(gaps) else energy

    def best(self, waiting: Tensor) -> int:
        """The waiting row with the largest root per price."""
        waiting = waiting.clone()
        valued = torch.zeros_like(waiting)
        gains = torch.zeros_like(self.most)
        winner, best = len(waiting), -torch.inf
        promise = self.most / self.prices
        while True:
            chosen = waiting.nonzero()[:, 0]
            if winner < len(waiting):
                chosen = chosen[self._reaches(chosen, best / (1 + TIE))]
                chosen = chosen[(chosen < winner) | self._reaches(chosen, best * (1 + TIE))]
            if len(chosen) == 0:
                return winner
            chosen = chosen[contenders(promise[chosen], _SOLVED)[0]]
            gains[chosen] = self._solve(chosen) / self.prices[chosen]
            waiting[chosen] = False
            valued[chosen] = True
            best = float(gains[valued].max())
            winner = int((valued & (gains * (1 + TIE) >= best)).nonzero()[0])

    def _reaches(self, rows: Tensor, gain: float) -> Tensor:
        """Whether the bound on a row's root, from its largest terms, allows this gain per price."""
        raised = gain * self.prices[rows]
        reaches = self.most[rows] >= raised
        if len(self.gaps) == 0:
            return reaches
        open_rows = (reaches & (raised < self.gaps[0])).nonzero()[:, 0]
        raised = raised[open_rows]
        value = 1 - self.energy[rows[open_rows]] / raised
        for term, gap in zip(self.terms, self.gaps, strict=False):
            value += term[rows[open_rows]] / (gap - raised)
        reaches[open_rows] = value < 0
        return reaches

    def _solve(self, rows: Tensor) -> Tensor:
        """The roots of a few rows, by bisection between the bounds that two-level spectra give."""
        energy = self.energy[rows]
        if len(self.gaps) == 0:
            return energy
        terms = (self.vectors.T @ self.features[rows].double().T).square_()
        low = _two_level(energy, terms.sum(dim=0), self.gaps[0])
        high = self.most[rows].clone()
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beyond = (terms / (self.gaps[:, None] - middle)).sum(dim=0) + 1 < energy / middle
            low = torch.where(beyond, middle, low)
            high = torch.where(beyond, high, middle)
        return (low + high) / 2


def _two_level(energy: Tensor, rest: Tensor, gap: Tensor) -> Tensor:
    """How far a row raises the lower of two eigenvalues `gap` apart, with these energies in their eigenspaces.

    An upper bound of the truth if `rest` is the energy at the second eigenvalue alone (the row is compressed to two
    dimensions), a lower bound if it is all the energy above the first (every higher eigenvalue is lowered to it).
    """
    half = (energy + rest + gap) / 2
    return energy * gap / (half + (half.square() - energy * gap).clamp(min=0).sqrt())
