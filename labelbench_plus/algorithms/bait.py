"""BAIT: batches that shrink the error bound of the last layer's maximum-likelihood estimate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix, check_probabilities
from labelbench_plus.algorithms.design.design_matrix import CHUNK_BYTES as DESIGN_CHUNK_BYTES
from labelbench_plus.algorithms.design.design_matrix import check_columns, second_moment
from labelbench_plus.algorithms.design.greedy_design import v_optimal

MEMORY_LIMIT = 4 * 2**30
CHUNK_BYTES = 16 * 2**20

# Gains within this relative distance of the best are ties. DRIFT is how far (relatively) what was updated step by
# step may move away from what is computed anew before everything is computed anew: far enough below TIE that drift
# cannot make or break a tie.
TIE = 1e-7
DRIFT = 1e-9

# How many D x D float64 matrices there are at once: M, its factor, its inverse, F, and one for products.
MATRICES = 5


def bait(
    probabilities: Tensor,
    embeddings: Tensor,
    n: int,
    *,
    labelled_probabilities: Tensor | None = None,
    labelled_embeddings: Tensor | None = None,
    ridge: float = 1.0,
    memory_limit: int = MEMORY_LIMIT,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Pick the batch that minimises trace(M^-1 F), forward to 2n picks and backward to n, with the exact Fisher.

    The Fisher information of the softmax layer at x is I(x) = (diag(p) - p p^T) kron (h h^T). M is ridge * identity
    plus the sum of I over what is labelled and the batch, F the mean of I over the pool (candidates and labelled).
    Forward: 2n times the row whose addition lowers the trace most; backward: n times the member whose removal raises
    it least. The all-ones direction over classes carries no information and is projected out, which changes no value
    and leaves D = d (K - 1) dimensions.

    Each step costs one pass over the pool: what a row would gain depends on two small matrices, h-quadratic forms in
    M^-1 and in M^-1 F M^-1, which the Woodbury identity updates at O(d) per entry. A row's gain can grow as others
    are picked (the trace is not supermodular), so stale gains bound nothing and every row is looked at in every
    step. Every pick is checked against values computed anew, and all of them are if it has drifted.

    Our reading: M adds up I(x) unweighted, as in algorithm 1; the authors' code divides the labelled sum by
    |labelled| + n and multiplies candidates by n / (|labelled| + n), which weighs a candidate n times as much.

    Parameters
    ----------
    probabilities: (N, K) floating point, K >= 2, of the candidates. Rows are scaled to sum to one.
    embeddings: (N, d) floating point, last-layer inputs of the candidates (append ones if the layer has a bias).
    n: batch size, 0 <= n <= N.
    labelled_probabilities, labelled_embeddings: the same of what is labelled already, both or neither.
    ridge: > 0, in units of the squared norm of an embedding times p (1 - p).
    memory_limit: bytes this may take; 8 (5 D^2 + 3 (N + labelled) (K - 1)^2) are needed.
    chunk_bytes: bound on temporary memory beyond that. It does not change the picks.

    Returns
    -------
    (n,) long row indices in the order of the forward picks.

    Raises
    ------
    ValueError
        Input of the wrong shape or not finite, n out of range, ridge not positive, or more memory needed than
        allowed: the message says how much, and what to use instead.

    Complexity: O(D^3 + (N + labelled) D^2 + n (N d K^2 + N K^3 + D^2 K)) time, memory as above. Ties: gains within
    a relative 1e-7 of the best (forward) or losses of the least (backward), lowest row index.
    Source: Ash et al. (2021, arXiv 2106.09675, algorithm 1).
    """
    pool = _Pool(probabilities, embeddings, labelled_probabilities, labelled_embeddings, n, ridge)
    pool.refuse_beyond(memory_limit, pool.classes - 1, pool.classes - 1)
    return _forward_backward(pool, _exact_factors(pool.probabilities), n, ridge, chunk_bytes)


def bait_top_classes(
    probabilities: Tensor,
    embeddings: Tensor,
    n: int,
    classes: int = 2,
    *,
    labelled_probabilities: Tensor | None = None,
    labelled_embeddings: Tensor | None = None,
    ridge: float = 1.0,
    memory_limit: int = MEMORY_LIMIT,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """BAIT with the expectation in the Fisher information taken over each row's most probable classes only.

    An approximation of `bait`: I(x) = sum over the `classes` most probable k of p_k (e_k - p)(e_k - p)^T kron h h^T,
    which is a rank-`classes` matrix. With classes = K it is exact. It saves time and the memory that grows with N,
    but not the D x D matrices.

    Parameters
    ----------
    classes: how many, 1 <= classes <= K; among equally probable ones the lower class counts first.
    The others, what is returned and raised, and the ties: as in `bait`, but 8 (5 D^2 + 3 (N + labelled) classes
    (K - 1)) bytes are needed.

    Complexity: O(D^3 + (N + labelled) D^2 + n (N d K classes + N K classes^2 + D^2 classes)) time.
    Source: Huseljic et al. (2024, arXiv 2404.08981), the variant "BAIT (Exp)".
    """
    pool = _Pool(probabilities, embeddings, labelled_probabilities, labelled_embeddings, n, ridge)
    if not 1 <= classes <= pool.classes:
        raise ValueError(f"classes must be between 1 and {pool.classes}, got {classes}")
    pool.refuse_beyond(memory_limit, pool.classes - 1, classes)
    return _forward_backward(pool, _top_factors(pool.probabilities, classes), n, ridge, chunk_bytes)


def bait_binary(
    probabilities: Tensor,
    embeddings: Tensor,
    n: int,
    *,
    labelled_probabilities: Tensor | None = None,
    labelled_embeddings: Tensor | None = None,
    ridge: float = 1.0,
    memory_limit: int = MEMORY_LIMIT,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """BAIT with a binary likelihood: is the predicted class right or not.

    An approximation of `bait`: I(x) = q (1 - q) h h^T with q the largest probability, that of a logistic regression
    with outcome "the prediction is right". D = d whatever K is: this is the variant for many classes.

    Parameters, what is returned and raised, and the ties: as in `bait`, but 8 (5 d^2 + 3 (N + labelled)) bytes are
    needed.

    Complexity: O(d^3 + (N + labelled) d^2 + n (N d + d^2)) time, most of it in products of matrices. Going forward,
    gains within a relative 1e-9 of the best are ties.
    Source: Huseljic et al. (2024, arXiv 2404.08981), the variant "BAIT (Binary)".
    """
    pool = _Pool(probabilities, embeddings, labelled_probabilities, labelled_embeddings, n, ridge)
    pool.refuse_beyond(memory_limit, 1, 1)
    sure = pool.probabilities.amax(dim=1)
    rows = pool.embeddings * (sure * (1 - sure)).sqrt()[:, None]
    return _rank_one(rows[: pool.candidates], rows[pool.candidates :], rows, n, n, ridge, chunk_bytes)


def bait_regression(
    embeddings: Tensor,
    n: int,
    *,
    labelled_embeddings: Tensor | None = None,
    ridge: float = 1.0,
    extra: int | None = None,
    chunk_bytes: int = DESIGN_CHUNK_BYTES,
) -> Tensor:
    """BAIT for a linear model with Gaussian noise, whose Fisher information of a row is h h^T, whatever its label.

    Minimises trace(M^-1 F) with M = ridge * identity + sum of h h^T over what is labelled and the batch, F the mean of
    h h^T over candidates and labelled. Without extra picks to give back this is `v_optimal` with all rows as targets.

    Parameters
    ----------
    embeddings: (N, d) floating point, what the model is linear in (append ones if it has an intercept).
    n: batch size, 0 <= n <= N.
    labelled_embeddings: (m, d) floating point, of what is labelled already.
    ridge: > 0, in units of a squared norm: the noise's variance over that of the prior of the weights.
    extra: picks made beyond n and given back, the cheapest first; n if absent, as in BAIT. With 0 the batch is the
        forward one.
    chunk_bytes: size of the float64 working copy of the rows. It does not change the picks.

    Returns
    -------
    (n,) long row indices in the order of the forward picks.

    Raises
    ------
    ValueError
        Not finite, columns that do not match, n out of range, extra negative, or ridge not positive or too small to
        be told from rounding.

    Complexity: O(d^3 + (N + m) d^2 + (n + extra) (N d + d^2)) time, O(N + m + d^2) memory beyond a copy of the rows
    where some are labelled. Ties: as in `bait_binary`.
    Source: Ash et al. (2021, arXiv 2106.09675, algorithm 1); Holzmüller et al. (2023, arXiv 2203.09410), whose BAIT-F
    and BAIT-FB these are.
    """
    check_matrix(embeddings, "embeddings")
    check_count(n, len(embeddings))
    if not (ridge > 0 and math.isfinite(ridge)):
        raise ValueError(f"ridge must be positive and finite, got {ridge}")
    if extra is not None and extra < 0:
        raise ValueError(f"extra must not be negative, got {extra}")
    known = embeddings[:0] if labelled_embeddings is None else labelled_embeddings
    known = check_columns(known, embeddings, "labelled_embeddings")
    targets = torch.cat([embeddings, known]) if len(known) else embeddings
    return _rank_one(embeddings, known, targets, n, n if extra is None else extra, ridge, chunk_bytes)


def _rank_one(
    free: Tensor, known: Tensor, targets: Tensor, n: int, extra: int, ridge: float, chunk_bytes: int
) -> Tensor:
    """Forward and backward where the Fisher information of a row is its outer product with itself."""
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
    return _backward(forward, ones, picked, information, moment, n, chunk_bytes)


class _Pool:
    """Checked arguments: candidates first, then what is labelled, in float64."""

    def __init__(
        self,
        probabilities: Tensor,
        embeddings: Tensor,
        labelled_probabilities: Tensor | None,
        labelled_embeddings: Tensor | None,
        n: int,
        ridge: float,
    ) -> None:
        if (labelled_probabilities is None) != (labelled_embeddings is None):
            raise ValueError("labelled_probabilities and labelled_embeddings must be given together or not at all")
        parts = [(probabilities, embeddings, "")]
        if labelled_probabilities is not None and labelled_embeddings is not None:
            parts.append((labelled_probabilities, labelled_embeddings, "labelled_"))
        for p, h, prefix in parts:
            check_probabilities(p, f"{prefix}probabilities")
            check_matrix(h, f"{prefix}embeddings")
            if p.shape[0] != h.shape[0] or p.shape[1] != parts[0][0].shape[1] or h.shape[1] != embeddings.shape[1]:
                raise ValueError(
                    f"{prefix}probabilities {tuple(p.shape)} and {prefix}embeddings {tuple(h.shape)} must have as "
                    f"many rows as each other and as many columns as those of the candidates"
                )
        check_count(n, probabilities.shape[0])
        if not (ridge > 0 and math.isfinite(ridge)):
            raise ValueError(f"ridge must be positive and finite, got {ridge}")
        self.candidates, self.classes = probabilities.shape
        self._parts = parts

    @property
    def probabilities(self) -> Tensor:
        """(N + labelled, K) rows that sum to one."""
        stacked = torch.cat([p.double().clamp(min=0) for p, _, _ in self._parts])
        return stacked / stacked.sum(dim=1, keepdim=True)

    @property
    def embeddings(self) -> Tensor:
        """(N + labelled, d)."""
        return torch.cat([h.double() for _, h, _ in self._parts])

    def refuse_beyond(self, memory_limit: int, blocks: int, rank: int) -> None:
        """Raise unless the matrices for `blocks` blocks of embeddings and factors of rank `rank` fit."""
        rows, width = sum(p.shape[0] for p, _, _ in self._parts), self._parts[0][1].shape[1]
        dimensions = blocks * width
        needed = 8 * (MATRICES * dimensions**2 + 3 * rows * rank * blocks)
        if needed > memory_limit:
            raise ValueError(
                f"BAIT on {rows} rows, {self.classes} classes and {width} features needs about {needed:,} bytes "
                f"({MATRICES} matrices of {dimensions} x {dimensions}, and {3 * rank * blocks} numbers per row), "
                f"memory_limit allows {memory_limit:,}: reduce the features first (PCA), use bait_binary (D = d) or "
                f"bait_top_classes (fewer numbers per row), or raise memory_limit"
            )


def _contrasts(classes: int, like: Tensor) -> Tensor:
    """(K, K - 1) orthonormal columns, each orthogonal to the all-ones vector (Helmert's)."""
    basis = torch.zeros(classes, classes - 1, dtype=torch.float64, device=like.device)
    for j in range(1, classes):
        basis[:j, j - 1] = 1.0
        basis[j, j - 1] = -j
        basis[:, j - 1] /= math.sqrt(j * (j + 1))
    return basis


def _exact_factors(probabilities: Tensor) -> Tensor:
    """(n, K - 1, K - 1) factors A with A^T A = C^T (diag(p) - p p^T) C."""
    # With q = sqrt(p), a unit vector, diag(p) - p p^T = diag(q) (1 - q q^T) diag(q); all but the first column of the
    # reflection that turns q into the first axis are an orthonormal basis of what 1 - q q^T keeps.
    root = probabilities.sqrt()
    mirror = root.clone()
    mirror[:, 0] += 1
    scale = 2 / (mirror * mirror).sum(dim=1)
    reflection = -scale[:, None, None] * mirror[:, 1:, None] * mirror[:, None, :]
    classes = root.shape[1]
    index = torch.arange(1, classes, device=root.device)
    reflection[:, index - 1, index] += 1
    return (reflection * root[:, None, :]) @ _contrasts(classes, root)


def _top_factors(probabilities: Tensor, top: int) -> Tensor:
    """(n, top, K - 1) factors: sqrt(p_k) (e_k - p)^T C for the most probable classes k."""
    chosen = torch.sort(probabilities, dim=1, descending=True, stable=True).indices[:, :top]
    basis = _contrasts(probabilities.shape[1], probabilities)
    weights = probabilities.gather(1, chosen).sqrt()
    return weights[:, :, None] * (basis[chosen] - (probabilities @ basis)[:, None, :])


def _forward_backward(pool: _Pool, factors: Tensor, n: int, ridge: float, chunk_bytes: int) -> Tensor:
    try:
        return _selected(pool, factors, n, ridge, chunk_bytes)
    except torch.linalg.LinAlgError as error:
        raise ValueError(
            f"ridge={ridge:g} is too small beside the Fisher information of these embeddings to be told from "
            f"rounding: raise it, or scale the embeddings down"
        ) from error


def _selected(pool: _Pool, factors: Tensor, n: int, ridge: float, chunk_bytes: int) -> Tensor:
    embeddings = pool.embeddings
    device = embeddings.device
    if n == 0:
        return torch.empty(0, dtype=torch.long, device=device)
    total = _fisher_sum(factors, embeddings, chunk_bytes) / factors.shape[0]
    start = _fisher_sum(factors[pool.candidates :], embeddings[pool.candidates :], chunk_bytes)
    start.diagonal().add_(ridge)
    design = _Design(factors[: pool.candidates], embeddings[: pool.candidates], start, total, chunk_bytes)
    free = torch.ones(pool.candidates, dtype=torch.bool, device=device)
    picks: list[int] = []
    for _ in range(min(2 * n, pool.candidates)):
        row = design.best(free, sign=1)
        design.move(row, sign=1)
        free[row] = False
        picks.append(row)
    forward = torch.tensor(picks, device=device)
    return _backward(
        forward, design.factors[forward], design.embeddings[forward], design.information, total, n, chunk_bytes
    )


def _backward(
    picks: Tensor,
    factors: Tensor,
    embeddings: Tensor,
    information: Tensor,
    target: Tensor,
    n: int,
    chunk_bytes: int,
) -> Tensor:
    """Give picks back until n are left, the cheapest first; `factors` and `embeddings` are those of the picks."""
    if n == 0:
        return picks[:0]
    ascending = picks.argsort()  # the lowest row is the first of those that tie
    design = _Design(factors[ascending], embeddings[ascending], information, target, chunk_bytes)
    stay = torch.ones_like(picks, dtype=torch.bool)
    for _ in range(len(picks) - n):
        worst = design.best(stay, sign=-1)
        design.move(worst, sign=-1)
        stay[worst] = False
    return picks[torch.isin(picks, picks[ascending][stay])]


def _fisher_sum(factors: Tensor, embeddings: Tensor, chunk_bytes: int) -> Tensor:
    """(D, D) sum over rows of (A^T A) kron (h h^T)."""
    rows, _, blocks = factors.shape
    width = embeddings.shape[1]
    out = torch.zeros(blocks, width, blocks, width, dtype=torch.float64, device=embeddings.device)
    step = max(1, chunk_bytes // (8 * (blocks * blocks + width)))
    for start in range(0, rows, step):
        a, h = factors[start : start + step], embeddings[start : start + step]
        weights = a.transpose(1, 2) @ a
        for i in range(blocks):
            for j in range(i, blocks):
                out[i, :, j] += (weights[:, i, j, None] * h).T @ h
    for i in range(blocks):
        for j in range(i):
            out[i, :, j] = out[j, :, i].T
    return out.reshape(blocks * width, blocks * width)


class _Design:
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
