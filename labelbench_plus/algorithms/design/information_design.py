"""Designs whose rows add matrices of small rank to the information: forward picks, and giving some of them back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.design.design_matrix import second_moment
from labelbench_plus.algorithms.design.greedy_design import v_optimal

# Gains within this relative distance of the best are ties. DRIFT is how far (relatively) what was updated step by
# step may move away from what is computed anew before everything is computed anew: far enough below TIE that drift
# cannot make or break a tie.
TIE = 1e-7
DRIFT = 1e-9


def rank_one_design(
    free: Tensor, known: Tensor, targets: Tensor, n: int, extra: int, ridge: float, chunk_bytes: int
) -> Tensor:
    """BAIT where the Fisher information of a row is its outer product with itself: `n` picks of `n + extra`.

    free, known: (N, d) candidates and (m, d) labelled rows. targets: (M, d), whose second moment is F in the trace of
    M^-1 F. Returns (n,) long rows of `free` in the order of the forward picks.
    """
    # Of rank one, the forward half is the greedy V-optimal design of these rows.
    count = min(n + extra, len(free)) if n else 0
    forward = v_optimal(free, count, ridge=ridge, labelled=known, targets=targets, chunk_bytes=chunk_bytes)
    if count == n:
        return forward
    picked, known = free[forward].double(), known.double()
    information = known.T @ known + picked.T @ picked
    information.diagonal().add_(ridge)
    ones = picked.new_ones(len(picked), 1, 1)
    moment = second_moment(targets, chunk_bytes)
    return give_back(forward, ones, picked, information, moment, n, chunk_bytes)


def give_back(
    picks: Tensor,
    factors: Tensor,
    embeddings: Tensor,
    information: Tensor,
    target: Tensor,
    n: int,
    chunk_bytes: int,
) -> Tensor:
    """Give picks back until n are left, the cheapest first, and return those left in their order.

    factors, embeddings: those of the picks, (picks, rank, blocks) and (picks, width), see `InformationDesign`.
    information, target: M with all picks in it, and F.
    """
    if n == 0:
        return picks[:0]
    ascending = picks.argsort()  # the lowest row is the first of those that tie
    design = InformationDesign(factors[ascending], embeddings[ascending], information, target, chunk_bytes)
    stay = torch.ones_like(picks, dtype=torch.bool)
    for _ in range(len(picks) - n):
        worst = design.best(stay, sign=-1)
        design.move(worst, sign=-1)
        stay[worst] = False
    return picks[torch.isin(picks, picks[ascending][stay])]


class InformationDesign:
    """The information matrix M, its inverse, and for every row V = A^T kron h the matrices that its gain needs.

    leverage = V^T M^-1 V and effect = V^T M^-1 F M^-1 V, both (rank, rank). Adding the row to M lowers the trace of
    M^-1 F by trace((1 + leverage)^-1 effect), removing it raises the trace by trace((1 - leverage)^-1 effect).
    """

    def __init__(
        self, factors: Tensor, embeddings: Tensor, information: Tensor, target: Tensor, chunk_bytes: int
    ) -> None:
        self.factors, self.embeddings = factors, embeddings
        self.information, self._target = information, target
        rows, self._rank, self._blocks = factors.shape
        width = embeddings.shape[1]
        temporaries = 2 * self._blocks * width + 4 * self._rank * max(self._rank, self._blocks)
        self._step = max(1, chunk_bytes // (8 * temporaries))
        shape = (rows, self._rank, self._rank)
        self._leverage = torch.empty(shape, dtype=torch.float64, device=factors.device)
        self._effect = torch.empty_like(self._leverage)
        self.refresh()

    def refresh(self) -> None:
        """Compute the inverse, the leverages and the effects anew from M."""
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(self.information))
        self._quadratic_forms(self._inverse, self._leverage)
        self._quadratic_forms(self._inverse @ self._target @ self._inverse, self._effect)

    def best(self, eligible: Tensor, sign: int) -> int:
        """Lowest row whose addition gains most (sign 1) or whose removal loses least (sign -1)."""
        # Rows that were removed must not even be looked at: 1 - leverage is positive for members alone.
        rows = eligible.nonzero().squeeze(1)
        change = torch.cat(
            [_trace_change(self._leverage[chunk], self._effect[chunk], sign) for chunk in rows.split(self._step)]
        )
        change *= sign
        top = float(change.max())
        if not math.isfinite(top):
            raise torch.linalg.LinAlgError("gains overflow")
        return int(rows[change >= top - TIE * abs(top)][0])

    def move(self, row: int, sign: int) -> None:
        """Add a row to M (sign 1) or remove it (sign -1), by the Woodbury identity."""
        vectors = torch.einsum("ra,i->air", self.factors[row], self.embeddings[row]).reshape(-1, self._rank)
        solved = self._inverse @ vectors
        self.information.addmm_(vectors, vectors.T, alpha=sign)
        if self._drifted(row, vectors, solved, sign):
            self.refresh()
            return
        # (M + s V V^T)^-1 = M^-1 - s U U^T with U = M^-1 V L^-T, L L^T = 1 + s V^T M^-1 V.
        inner = torch.eye(self._rank, dtype=torch.float64, device=solved.device) + sign * (vectors.T @ solved)
        lower = torch.linalg.cholesky(inner)
        update = torch.linalg.solve_triangular(lower, solved.T, upper=False).T
        reach = self._target @ update
        # The effect becomes E - s (U R^T + R U^T) + U Q U^T, R = M^-1 F U, Q = U^T F U: folded into one product.
        response = self._inverse @ reach - (0.5 * sign) * update @ (update.T @ reach)
        self._inverse.addmm_(update, update.T, alpha=-sign)
        self._update(update, response, sign)

    def _drifted(self, row: int, vectors: Tensor, solved: Tensor, sign: int) -> bool:
        """Whether what is kept about a row, or the inverse, no longer agrees with M (which has just moved)."""
        leverage, effect = vectors.T @ solved, solved.T @ (self._target @ solved)
        residual = self.information @ solved - sign * vectors @ leverage - vectors
        pairs = (
            (self._leverage[row] - leverage, leverage),
            (self._effect[row] - effect, effect),
            (residual, vectors),
        )
        return any(float(error.abs().max()) > DRIFT * float(scale.abs().max()) for error, scale in pairs)

    def _update(self, update: Tensor, response: Tensor, sign: int) -> None:
        width = self.embeddings.shape[1]
        both = torch.cat([update, response], dim=1).reshape(self._blocks, width, 2 * self._rank)
        both = both.permute(1, 0, 2).reshape(width, -1)
        for start in range(0, self.embeddings.shape[0], self._step):
            chunk = slice(start, start + self._step)
            seen = (self.embeddings[chunk] @ both).reshape(-1, self._blocks, 2 * self._rank)
            u, r = (self.factors[chunk] @ seen).split(self._rank, dim=2)
            self._leverage[chunk] -= sign * (u @ u.transpose(1, 2))
            cross = u @ r.transpose(1, 2)
            self._effect[chunk] -= sign * (cross + cross.transpose(1, 2))

    def _quadratic_forms(self, matrix: Tensor, out: Tensor) -> None:
        """Fill out[x] with V_x^T matrix V_x."""
        width = self.embeddings.shape[1]
        for start in range(0, self.embeddings.shape[0], self._step):
            chunk = slice(start, start + self._step)
            h = self.embeddings[chunk]
            inner = torch.empty(h.shape[0], self._blocks, self._blocks, dtype=torch.float64, device=h.device)
            for i in range(self._blocks):
                seen = (h @ matrix[i * width : (i + 1) * width]).reshape(-1, self._blocks, width)
                inner[:, i] = (seen * h[:, None, :]).sum(dim=2)
            out[chunk] = self.factors[chunk] @ inner @ self.factors[chunk].transpose(1, 2)


def _trace_change(leverage: Tensor, effect: Tensor, sign: int) -> Tensor:
    """trace((1 + s leverage)^-1 effect) for a batch of rows."""
    if leverage.shape[1] == 1:
        return (effect / (1 + sign * leverage)).flatten()
    inner = sign * leverage
    inner.diagonal(dim1=1, dim2=2).add_(1)
    solved = torch.cholesky_solve(effect, torch.linalg.cholesky(inner))
    return solved.diagonal(dim1=1, dim2=2).sum(dim=1)
