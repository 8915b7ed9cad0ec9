"""Long vectors, sketched to a few numbers that keep inner products on average."""

from __future__ import annotations

import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached


@detached
def sign_sketch(values: Tensor, dimensions: int, rng: Generator) -> Tensor:
    """Sums of entries with random signs, each entry in one of the sums.

    The inner product of two rows' sketches is that of the rows on average over `rng`; its variance falls with one over
    the number of sums. Sketches of parts of a vector, drawn one after another, add up to a sketch of the whole.

    Parameters
    ----------
    values: (N, D) floating point.
    dimensions: p, how many sums, at least 1.
    rng: source of all randomness: the same state gives the same map.

    Returns
    -------
    (N, p) in single precision, double where `values` are.

    Raises
    ------
    ValueError
        Not a finite matrix, or no sum wanted.

    Notes
    -----
    O(N D) time and memory; 2 D random numbers, and none of the D × p of a dense projection.
    Source: the count sketch of M. Charikar, K. Chen and M. Farach-Colton, Finding frequent items in data streams
    (2002). There an entry's sum is drawn for each entry alone; here entries are dealt, so that sums have equally many.
    """
    check_matrix(values, "values")
    if dimensions < 1:
        raise ValueError(f"dimensions must be at least 1, got {dimensions}")
    width = values.shape[1]
    order = torch.from_numpy(rng.permutation(width)).to(values.device)
    signs = torch.from_numpy(2.0 * rng.integers(2, size=width) - 1.0).to(values.device, values.dtype)
    dealt = F.pad((values * signs)[:, order], (0, -width % dimensions))
    blocks = dealt.reshape(len(values), dealt.shape[1] // dimensions, dimensions)
    return blocks.sum(dim=1, dtype=torch.promote_types(values.dtype, torch.float32))
