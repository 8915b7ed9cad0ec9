"""The information matrix, quadratic forms of many rows, and the tie rule: what all designs share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix

CHUNK_BYTES = 1 << 21  # float64 copy of the rows in work at a time; measured, flat between 1 and 4 MiB
TIE = 1e-9  # relative; the tie rule of all designs
SHRINK = 1e-3  # a subtracted-from value that has shrunk more than this has lost too many of its 16 digits
_CONDITION = 1e12  # beyond it, float64 cannot tell the information matrix from a singular one


def information_matrix(features: Tensor, ridge: float, labelled: Tensor | None) -> Tensor:
    """Return M₀ = ridge·I + L'L as a (d, d) float64 matrix; `features`, already checked, give d and the device.

    Raises
    ------
    ValueError
        `ridge` negative or not finite, or `labelled` not a finite (m, d) matrix.
    """
    dimension = features.shape[1]
    if not 0 <= ridge < float("inf"):
        raise ValueError(f"ridge must be a finite number of at least 0, got {ridge}")
    information = torch.zeros(dimension, dimension, dtype=torch.float64, device=features.device)
    if labelled is not None:
        rows = check_columns(labelled, features, "labelled").double()
        information = rows.T @ rows
    information.diagonal().add_(ridge)
    return information


def regular_information(features: Tensor, ridge: float, labelled: Tensor | None) -> Tensor:
    """Return M₀, refused if float64 could not tell it, with one more row added, from a singular matrix."""
    information = information_matrix(features, ridge, labelled)
    if information.numel() and len(features):
        spectrum = torch.linalg.eigvalsh(information) if labelled is not None else information.diagonal()
        floor = (float(spectrum[-1]) + largest_norm(features) ** 2) / _CONDITION
        if float(spectrum[0]) <= floor:
            raise ValueError(
                f"ridge={ridge:g} leaves the information matrix singular in float64: "
                f"with these features and labelled rows it must be above {floor:.3g}"
            )
    return information


def largest_norm(rows: Tensor) -> float:
    """Return the largest Euclidean norm of the rows, of which there is at least one, to about single precision."""
    wide = torch.promote_types(rows.dtype, torch.float32)
    return float(torch.linalg.vector_norm(rows, dim=1, dtype=wide).max())


def second_moment(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return the mean of t t' over the rows t, (d, d) float64; there is at least one row."""
    moment = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for _, part in blocks(rows, chunk_bytes):
        moment.addmm_(part.T, part)
    return moment / rows.shape[0]


def squared_norms(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return the squared Euclidean norm of every row, (n,) float64."""
    norms = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for where, part in blocks(rows, chunk_bytes):
        norms[where] = part.square().sum(dim=1)
    return norms


def mapped_norms(rows: Tensor, root: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return ‖Wx‖² for every row x, (n,) float64, where W is `root`, (k, d): x'W'Wx as a sum of squares."""
    norms = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for where, part in blocks(rows, chunk_bytes):
        norms[where] = (root @ part.T).square_().sum(dim=0)
    return norms


def inverse_root(information: Tensor) -> Tensor:
    """Return the lower triangular W with W'W = M⁻¹, from the Cholesky factor of M."""
    factor = torch.linalg.cholesky(information)
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False)


def blocks(rows: Tensor, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[slice, Tensor]]:
    """Yield consecutive blocks of rows as (where, float64 rows); a block is overwritten when the next is asked for."""
    size = max(1, chunk_bytes // (8 * max(1, rows.shape[1])))
    buffer = torch.empty(min(size, len(rows)), rows.shape[1], dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), size):
        where = slice(start, min(start + size, len(rows)))
        part = rows[where]
        # One buffer for all blocks stays in the cache; fresh memory would be paged in again for every block.
        yield where, part if part.dtype == torch.float64 else buffer[: len(part)].copy_(part)


def lowest_best(values: Tensor) -> int:
    """Return the lowest index whose value ties with the largest (the module's tie rule)."""
    best = float(values.max())
    return int((values >= best - TIE * abs(best)).nonzero()[0])


def contenders(gains: Tensor, most: int) -> tuple[Tensor, float, int]:
    """Return the ascending indices of the `most` largest gains; among rows tied for the last places, the lowest.

    Also the largest gain left out, and the lowest index left out that ties with it.
    """
    if len(gains) <= most:
        return torch.arange(len(gains), device=gains.device), -torch.inf, len(gains)
    floor = float(gains.topk(most + 1).values[-1])
    slack = TIE * abs(floor) if floor > -torch.inf else 0.0
    inside = gains > floor + slack
    tied = ((gains >= floor - slack) & ~inside).nonzero()[:, 0]
    room = most - int(inside.sum())
    inside[tied[:room]] = True
    return inside.nonzero()[:, 0], floor, int(tied[room])


def check_columns(rows: Tensor, features: Tensor, name: str) -> Tensor:
    """Return `rows` on the device of `features`, refused unless a finite matrix with as many columns."""
    check_matrix(rows, name)
    if rows.shape[1] != features.shape[1]:
        raise ValueError(f"{name} must have the {features.shape[1]} columns of features, got {rows.shape[1]}")
    return rows.to(features.device)


def check_targets(targets: Tensor | None, features: Tensor) -> Tensor:
    """Return the targets, by default the features; given ones are refused unless finite and of at least one row."""
    if targets is None:
        return features
    if len(check_columns(targets, features, "targets")) == 0:
        raise ValueError("targets must hold at least one row")
    return targets.to(features.device)
