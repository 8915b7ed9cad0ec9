"""MaxHerding: greedy maximisation of generalised coverage."""

from __future__ import annotations

from torch import Tensor

from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES
from labelbench_plus.algorithms.blocks.similarity import Rbf
from labelbench_plus.algorithms.facility_location import GRAPH_BYTES, facility_location


@detached
def max_herding(
    features: Tensor,
    n: int,
    *,
    gamma: float | None = 1.0,
    centers: Tensor | None = None,
    graph_bytes: int = GRAPH_BYTES,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows that greedily maximise the generalised coverage Σ_i max_{j ∈ S ∪ L} exp(−‖x_i − x_j‖² / γ).

    This is facility location with a Gaussian similarity, and nothing else: the coverage of the paper is its
    objective over N, the greedy step the same, and so are the picks for the same γ. It has its own name because
    that is what the method is known by, and its own default: a fixed bandwidth, where `facility_location` takes the
    mean squared distance of the pool. With a top-hat in place of the Gaussian it would be `probcover`.

    Parameters
    ----------
    features: (N, d) floating point. The default bandwidth is meant for rows of unit norm, which is the caller's to
        see to.
    n: how many to pick, 0 <= n <= N.
    gamma: γ > 0, the squared lengthscale; None takes the mean squared distance of two rows.
    centers: (L, d) rows chosen already.
    graph_bytes, chunk_bytes: bounds on memory, see `facility_location`; they do not change the result.

    Returns
    -------
    (n,) int64 row indices in pick order, on the device of the features.

    Errors, complexity, tie rule and guarantee: those of `facility_location`.
    Source: Bae, Noh and Sutherland (2024, arXiv 2407.12212, section 3, generalised coverage and its greedy
    maximisation).
    """
    return facility_location(
        features,
        n,
        centers=centers,
        similarity=Rbf(gamma=gamma),
        graph_bytes=graph_bytes,
        chunk_bytes=chunk_bytes,
    )
