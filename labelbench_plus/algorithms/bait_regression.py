"""BAIT for real-valued labels: its forward half is the V-optimal design, and its backward half gives picks back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.design.design_matrix import CHUNK_BYTES, check_columns
from labelbench_plus.algorithms.design.information_design import rank_one_design


@detached
def bait_regression(
    embeddings: Tensor,
    n: int,
    *,
    labelled_embeddings: Tensor | None = None,
    ridge: float = 1.0,
    extra: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
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
    return rank_one_design(embeddings, known, targets, n, n if extra is None else extra, ridge, chunk_bytes)
