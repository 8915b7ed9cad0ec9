"""BALD: how much a label is expected to reveal about the model's parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_probabilities
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.uncertainty import shannon_entropy

CHUNK_BYTES = 16 * 2**20


@detached
def bald(member_probabilities: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Mutual information between a row's label and the choice of ensemble member, in nats; higher is better.

    I(y; w | x) = H(mean over members of p(y | x, w)) - mean over members of H(p(y | x, w)): large where members are
    each sure and disagree, zero where they agree, however unsure. Members are dropout masks or an ensemble, and
    count the same. Rounding below zero is cut off, so that the score can be used as a weight.

    Parameters
    ----------
    member_probabilities: (M, N, K) floating point, M >= 1, K >= 2.
    chunk_bytes: bound on temporary memory. It does not change the result.

    Returns
    -------
    (N,) float64.

    Raises
    ------
    ValueError
        Not a tensor of finite probability vectors; the message names the member and the row.

    Complexity: O(M N K) time, O(N + chunk_bytes) memory. Ties: equal rows score equally.
    Source: Houlsby et al. (2011, arXiv 1112.5745, equation 2); Gal et al. (2017, arXiv 1703.02910, section 4).
    """
    members, rows, _ = check_member_probabilities(member_probabilities, "member_probabilities")
    out = torch.empty(rows, dtype=torch.float64, device=member_probabilities.device)
    for chunk in row_chunks(member_probabilities, chunk_bytes):
        block = member_probabilities[:, chunk].double().clamp(min=0)
        # Members are added one after the other, so that the sum of a row does not depend on its neighbours.
        mean = torch.zeros_like(block[0])
        conditional = torch.zeros_like(mean[:, 0])
        for member in block:
            mean += member
            conditional += shannon_entropy(member)
        out[chunk] = (shannon_entropy(mean / members) - conditional / members).clamp_(min=0)
    return out


@detached
def check_member_probabilities(values: Tensor, name: str) -> tuple[int, int, int]:
    """Return (members, rows, classes) of `values`, refused unless each member holds probability rows."""
    if values.dim() != 3 or values.shape[0] == 0:
        raise ValueError(f"{name} must be (members, rows, classes), at least one member, got {tuple(values.shape)}")
    for member in range(values.shape[0]):
        check_probabilities(values[member], f"{name}[{member}]")
    members, rows, classes = values.shape
    return members, rows, classes


@detached
def row_chunks(values: Tensor, chunk_bytes: int) -> list[slice]:
    """Slices of the rows of an (M, N, K) tensor, four float64 copies of which take about `chunk_bytes`."""
    step = max(1, chunk_bytes // (4 * 8 * values.shape[0] * values.shape[2]))
    return [slice(start, start + step) for start in range(0, values.shape[1], step)]
