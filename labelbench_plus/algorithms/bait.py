"""BAIT: batches that shrink the error bound of the last layer's maximum-likelihood estimate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix, check_probabilities
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.design.information_design import InformationDesign, give_back, rank_one_design

MEMORY_LIMIT = 4 * 2**30
CHUNK_BYTES = 16 * 2**20

# How many D x D float64 matrices there are at once: M, its factor, its inverse, F, and one for products.
MATRICES = 5


@detached
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


@detached
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


@detached
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
    return rank_one_design(rows[: pool.candidates], rows[pool.candidates :], rows, n, n, ridge, chunk_bytes)


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
            f"ridge={ridge:g} is lost in rounding beside the Fisher information of these embeddings: "
            f"raise it, or scale the embeddings down"
        ) from error


def _selected(pool: _Pool, factors: Tensor, n: int, ridge: float, chunk_bytes: int) -> Tensor:
    embeddings = pool.embeddings
    device = embeddings.device
    if n == 0:
        return torch.empty(0, dtype=torch.long, device=device)
    total = _fisher_sum(factors, embeddings, chunk_bytes) / factors.shape[0]
    start = _fisher_sum(factors[pool.candidates :], embeddings[pool.candidates :], chunk_bytes)
    start.diagonal().add_(ridge)
    design = InformationDesign(factors[: pool.candidates], embeddings[: pool.candidates], start, total, chunk_bytes)
    free = torch.ones(pool.candidates, dtype=torch.bool, device=device)
    picks: list[int] = []
    for _ in range(min(2 * n, pool.candidates)):
        row = design.best(free, sign=1)
        design.move(row, sign=1)
        free[row] = False
        picks.append(row)
    forward = torch.tensor(picks, device=device)
    return give_back(
        forward, design.factors[forward], design.embeddings[forward], design.information, total, n, chunk_bytes
    )


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
