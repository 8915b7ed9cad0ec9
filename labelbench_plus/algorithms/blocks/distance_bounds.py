"""Cheap, rigorous bounds on all pairwise squared distances: the filter in front of exact decisions."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, row_sums

_SAMPLE_ROWS = 4096  # rows that the subspace is fitted to: any subspace is correct, this many make it good
_LARGEST_RANK = 256
_RESIDUAL = 0.01  # share of the variance that may be left outside the subspace
_TILE = 1024  # rows and columns of a tile: large enough for an efficient product, small enough for the cache


class DistanceBounds:
    """Lower bounds on the squared distances between queries and points, one thin matrix product for a tile.

    With P an orthogonal projection to k dimensions and r(x) the norm of what it drops,

        ‖Px − Py‖² + (r(x) − r(y))²  ≤  ‖x − y‖²  ≤  ‖Px − Py‖² + (r(x) + r(y))²,

    and the left side is ‖x‖² + ‖y‖² − 2 (Px·Py + r(x) r(y)): a product of k + 3 columns. P spans the leading
    principal directions of the points, far ones drawn in, where few of them hold 99 % of the variance (k at most a
    third of d and at most 256); otherwise P is the identity. The bounds allow for the rounding of every step, so that

        lower(i, j)  ≤  ‖x_i − y_j‖²  ≤  lower(i, j) + gap(i, j)

    holds for the true distances, whatever the dtype, the chunks or the threads. Callers filter with them and decide
    with distances in float64; P, which does depend on rounding, then shows in the running time alone.

    Parameters
    ----------
    points: (N, d) floating point, finite.
    queries: (Q, d), on the same device; default the points themselves.
    chunk_bytes: bound on temporary memory of the construction.

    Complexity: O((N + Q) d k) time and 4 (N + Q)(k + 3) bytes; the subspace costs O(256 d min(N, 4096)).
    Source: Pythagoras and Cauchy-Schwarz; the rounding error of a product as in Higham, Accuracy and Stability of
    Numerical Algorithms (2002), section 3.1.
    """

    def __init__(
        self, points: Tensor, queries: Tensor | None = None, *, chunk_bytes: int = DEFAULT_CHUNK_BYTES
    ) -> None:
        # Where the user let single precision products be rounded further (TF32, bfloat16), the bounds would not
        # be bounds: take double precision there.
        single = torch.get_float32_matmul_precision() == "highest"
        self.dtype = torch.float32 if single else torch.float64
        sides = [points] if queries is None else [points, queries]
        self.mean = torch.zeros(points.shape[1], dtype=torch.float64, device=points.device)
        for rows in row_chunks(points.shape[0], 16 * points.shape[1], chunk_bytes):
            self.mean += points[rows].to(torch.float64).sum(dim=0) / points.shape[0]
        self.unit = 1.0
        largest = max(
            [float(self._squared_norms(side, chunk_bytes).max()) for side in sides if side.shape[0]], default=0
        )
        if largest > 0:
            self.unit = largest
        self._basis = self._principal_directions(points)
        rank = points.shape[1] if self._basis is None else self._basis.shape[1]
        # Half the last place of each factor, one rounding for each addition, and a margin for the rounding of the
        # inputs; relative to ‖x‖² + ‖y‖², which bounds the sum of the magnitudes of all terms within a factor two.
        self._error = (rank + 16) * torch.finfo(self.dtype).eps
        self._points = self._columns(points, chunk_bytes)
        self._queries = self._points if queries is None else self._columns(queries, chunk_bytes)

    def against(self, points: Tensor, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> DistanceBounds:
        """Bounds of the same queries to other points (M, d), by the same projection: O(M d k) time."""
        other = copy(self)
        other._points = self._columns(points, chunk_bytes)
        return other

    @property
    def points(self) -> int:
        """How many points there are."""
        return self._points.shape[0]

    def lower(self, queries: slice | Tensor, points: slice | Tensor) -> Tensor:
        """Lower bounds of the chosen queries (rows) to the chosen points, in units of `unit`; may be negative."""
        return self._left(queries) @ self._points[points].T

    def tiles(self, queries: slice | Tensor, width: int) -> Iterator[tuple[slice, Tensor]]:
        """Lower bounds of the chosen queries to all points, `width` points at a time: (points, tile)."""
        left = self._left(queries)
        for first in range(0, self.points, width):
            columns = slice(first, min(first + width, self.points))
            yield columns, left @ self._points[columns].T

    def gap(self, queries: slice | Tensor, points: slice | Tensor) -> Tensor:
        """How far above its lower bound the distance of each (query, point) pair may lie, in units of `unit`.

        The chosen rows broadcast against each other.
        """
        residuals = self._queries[:, -3][queries] * self._points[:, -3][points]
        # The last column is the norm shrunk by the error; the factor undoes that generously.
        return 4.0 * residuals + 4.0 * self._error * (self._queries[:, -1][queries] + self._points[:, -1][points])

    def grouped_queries(self) -> Tensor:
        """All queries in an order that keeps near ones together, so that what they look up stays in the cache."""
        total = self._points.shape[0]
        seeds = torch.arange(0, total, max(1, int(total**0.5)), device=self._points.device)
        nearest = [
            self.lower(rows, seeds).argmin(dim=1)
            for rows in row_chunks(self._queries.shape[0], 4 * len(seeds), DEFAULT_CHUNK_BYTES)
        ]
        return torch.cat(nearest).argsort(stable=True)

    def half_tiles(self, tile: int = _TILE) -> Iterator[tuple[slice, slice, Tensor]]:
        """Lower bounds of every unordered pair of points once: (rows, columns, tile) with columns from rows on."""
        total = self._points.shape[0]
        starts = range(0, total, tile)
        for first in starts:
            rows = slice(first, min(first + tile, total))
            left = self._left(rows)
            for second in range(first, total, tile):
                columns = slice(second, min(second + tile, total))
                yield rows, columns, left @ self._points[columns].T

    def _left(self, queries: slice | Tensor) -> Tensor:
        columns = self._queries[queries]
        return torch.cat([columns[:, :-2] * -2.0, columns[:, -1:], columns[:, -2:-1]], dim=1)

    def _squared_norms(self, rows: Tensor, chunk_bytes: int) -> Tensor:
        norms = torch.empty(rows.shape[0], dtype=torch.float64, device=rows.device)
        for chunk in row_chunks(rows.shape[0], 16 * rows.shape[1], chunk_bytes):
            norms[chunk] = row_sums((rows[chunk].to(torch.float64) - self.mean).square_())
        return norms

    def _principal_directions(self, points: Tensor) -> Tensor | None:
        """Orthonormal (d, k) holding all but `_RESIDUAL` of the variance of a sample, None where no thin one does."""
        largest = min(_LARGEST_RANK, points.shape[1] // 3)
        if largest == 0 or points.shape[0] == 0:
            return None
        step = -(-points.shape[0] // _SAMPLE_ROWS)
        sample = points[::step].to(torch.float64) - self.mean
        # A few rows far out must not fill the subspace: none counts for more than the row of median norm.
        norms = sample.norm(dim=1, keepdim=True)
        sample *= (norms.median() / norms.clamp(min=torch.finfo(torch.float64).tiny)).clamp(max=1.0)
        total = float(sample.square().sum())
        if total == 0:
            return None
        # One step of subspace iteration from rows of the sample: the leading directions to within a filter's needs.
        start = sample[:: -(-sample.shape[0] // largest)]
        basis = torch.linalg.qr(sample.T @ (sample @ start.T)).Q
        images = sample @ basis
        energy, rotation = torch.linalg.eigh(images.T @ images)
        kept = energy.flip(0).cumsum(0)
        rank = int((kept < (1 - _RESIDUAL) * total).sum()) + 1
        return basis @ rotation.flip(1)[:, :rank] if rank <= basis.shape[1] else None

    def _columns(self, rows: Tensor, chunk_bytes: int) -> Tensor:
        """[Px, r(x), 1, shrunk ‖x‖²] for every row, so that a tile of bounds is a single product."""
        rank = rows.shape[1] if self._basis is None else self._basis.shape[1]
        columns = torch.ones(rows.shape[0], rank + 3, dtype=self.dtype, device=rows.device)
        for chunk in row_chunks(rows.shape[0], 16 * rows.shape[1], chunk_bytes):
            centred = (rows[chunk].to(torch.float64) - self.mean) / self.unit**0.5
            norms = centred.square().sum(dim=1)
            image = centred if self._basis is None else centred @ self._basis
            columns[chunk, :rank] = image.to(self.dtype)
            if self._basis is None:
                columns[chunk, rank] = 0.0
            else:
                columns[chunk, rank] = (norms - image.square().sum(dim=1)).clamp_(min=0).sqrt_().to(self.dtype)
            columns[chunk, -1] = ((1 - self._error) * norms).to(self.dtype)
        return columns


def true_entries(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the true entries of a contiguous mask, row by row: int64."""
    if mask.device.type == "cpu":  # NumPy's scan of a sparse mask is several times faster than torch's
        flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
    else:
        flat = mask.flatten().nonzero()[:, 0]
    return torch.div(flat, mask.shape[1], rounding_mode="floor"), flat % mask.shape[1]
