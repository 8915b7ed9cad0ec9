"""Squared Euclidean distances: in chunks, exactly, and to the nearest of several centres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_finite, check_matrix

DEFAULT_CHUNK_BYTES = 16 * 2**20
"""Size of the largest temporary array of a chunked primitive: big enough for an efficient matrix product."""

CACHE_BYTES = 2**19
"""Size of the blocks of elementwise work on a CPU: what stays in a core's cache between two operations."""


def row_chunks(rows: int, bytes_per_row: int, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Iterator[slice]:
    """Cut `range(rows)` into consecutive slices of at most `chunk_bytes`, at least one row each.

    Parameters
    ----------
    rows: how many rows to cover.
    bytes_per_row: bytes of temporary memory that one row needs.
    chunk_bytes: byte budget of a slice.

    Raises
    ------
    ValueError
        `chunk_bytes` is not positive.
    """
    if chunk_bytes <= 0:
        raise ValueError(f"chunk_bytes must be positive, got {chunk_bytes}")
    size = max(1, chunk_bytes // max(1, bytes_per_row))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def working_dtype(values: Tensor) -> torch.dtype:
    """Type in which matrix products of `values` are taken: its own, but never below single precision."""
    return torch.promote_types(values.dtype, torch.float32)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances between all rows of two matrices, by one matrix product.

    The expanded form ‖a‖² + ‖b‖² − 2 a·b cancels where rows nearly coincide: its absolute error is of the
    order of the rounding error of ‖a‖² + ‖b‖². Use it to filter, and `exact_squared_distances` to decide.

    Parameters
    ----------
    a: (n, d) floating point.
    b: (m, d), on the same device. Half precision is computed in single precision.

    Returns
    -------
    (n, m), clamped at zero. Chunk `a` with `row_chunks` to bound the memory. O(n m d) time.
    """
    dtype = torch.promote_types(working_dtype(a), working_dtype(b))
    a, b = a.to(dtype), b.to(dtype)
    product = torch.addmm((b * b).sum(dim=1), a, b.T, alpha=-2)
    return product.add_((a * a).sum(dim=1, keepdim=True)).clamp_(min=0)


def exact_squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of paired rows, in float64 by a fixed sum over each row.

    The value of a pair depends on nothing but its two rows, neither on the chunk it is computed in nor on the
    number of threads, and is exactly zero for equal rows: ties and duplicates stay ties.

    Parameters
    ----------
    a: (n, d) floating point.
    b: (d,) or (n, d), on the same device.

    Returns
    -------
    (n,) float64. O(n d) time, a small block of temporary memory.
    """
    paired = b.dim() == 2
    b = b if paired else b.to(torch.float64)
    result = torch.empty(a.shape[0], dtype=torch.float64, device=a.device)
    for rows in float64_blocks(a.shape[0], a.shape[1], a.device):
        difference = a[rows].to(torch.float64) - (b[rows] if paired else b)
        result[rows] = row_sums(difference.square_())
    return result


def float64_blocks(rows: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Slices of `rows` for elementwise float64 work on (rows, columns) arrays, sized to the device's cache."""
    return row_chunks(rows, 8 * columns, CACHE_BYTES if device.type == "cpu" else DEFAULT_CHUNK_BYTES)


def row_sums(values: Tensor) -> Tensor:
    """Sum each row of a (n, d) matrix in an order that depends on d alone, not on n or the threads."""
    if values.device.type != "cpu":
        return folded_row_sums(values)
    values = values.contiguous()  # the order of a strided sum differs
    if values.shape[0] == 1:  # torch splits a sum with a single result over the threads
        return values.repeat(2, 1).sum(dim=1)[:1]
    return values.sum(dim=1)


def folded_row_sums(values: Tensor) -> Tensor:
    """`row_sums` by folding rows in half: on a GPU the order of torch's own sum depends on the number of rows."""
    while values.shape[1] > 1:
        half = (values.shape[1] + 1) // 2
        folded = values[:, :half].clone()
        folded[:, : values.shape[1] - half] += values[:, half:]
        values = folded
    return values.sum(dim=1)


def row_mean(values: Tensor) -> Tensor:
    """(d,) float64 mean of the rows of a (n, d) matrix, summed in an order that depends on its shape alone."""
    total = torch.zeros(values.shape[1], dtype=torch.float64, device=values.device)
    for rows in row_chunks(values.shape[0], 1, 256):
        total += row_sums(values[rows].to(torch.float64).T)
    return total / values.shape[0]


def squared_norms(values: Tensor, name: str) -> Tensor:
    """(n,) float64 squared norms of the rows of a matrix, refused unless it is floating point and finite."""
    # A row with NaN or infinity shows in its norm: the data need not be read a second time to look for them.
    check_matrix(values[:0] if values.dim() == 2 else values, name)
    norms = torch.empty(values.shape[0], dtype=torch.float64, device=values.device)
    for rows in float64_blocks(values.shape[0], values.shape[1], values.device):
        norms[rows] = row_sums(values[rows].to(torch.float64).square())
    finite = torch.isfinite(norms)
    if not bool(finite.all()):
        check_finite(values, name)
        raise ValueError(f"{name} are too large: the squared norm of row {int((~finite).nonzero()[0])} overflows")
    return norms


def in_single_range(squared_norm: float) -> bool:
    """Whether products of rows up to this squared norm are well inside the range of single precision."""
    return 1e-25 < squared_norm < 1e30


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """(n, m) products of the rows of two matrices of one type, single or double precision."""
    if a.device.type == "cpu":  # NumPy's BLAS is on a par with torch's, and a quarter faster on AMD processors
        return torch.from_numpy(a.numpy() @ b.numpy().T)
    return a @ b.T


def product_error(values: Tensor, dtype: torch.dtype) -> float:
    """Bound on |fl(x·y) − x·y| / (‖x‖ ‖y‖) of `inner_products` of rows like those of `values`, in any order.

    Underflow apart: that adds up to as many times the smallest normal number as there are columns.
    """
    error = values.shape[1] * torch.finfo(dtype).eps / 2
    if dtype == torch.float32 and values.device.type != "cpu":  # torch may be told to round the factors
        error += {"highest": 0.0, "high": 2**-9, "medium": 2**-7}[torch.get_float32_matmul_precision()]
    return error


def select(values: Tensor, rows: Tensor | slice) -> Tensor:
    """`values[rows]`; a slice is a view."""
    return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)  # several times faster


class Points(Protocol):
    """Rows of a Euclidean space that are known through inner products, whatever they are stored as."""

    @property
    def squared_norms(self) -> Tensor:
        """(n,) float64."""
        ...

    @property
    def relative_error(self) -> float:
        """`products` are within relative_error ‖x‖ ‖y‖ + absolute_error."""
        ...

    @property
    def absolute_error(self) -> float: ...

    @property
    def row_bytes(self) -> int:
        """Bytes that one gathered row takes."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: Tensor | slice) -> Self:
        """Some of the rows; a slice is a view."""
        ...

    def join(self, other: Self) -> Self:
        """These rows, then those of `other`."""
        ...

    def products(self, others: Self) -> Tensor:
        """(n, m) inner products in single precision or better."""
        ...

    def exact(self, rows: Tensor, others: Self, columns: Tensor) -> Tensor:
        """(p,) float64 squared distances of the pairs (rows[k], columns[k]); zero for equal points."""
        ...


PointsT = TypeVar("PointsT", bound=Points)


@dataclass(frozen=True)
class FeaturePoints:
    """Plain feature vectors as `Points`. Products are taken in `dtype`."""

    features: Tensor
    squared_norms: Tensor
    dtype: torch.dtype

    @classmethod
    def of(cls, features: Tensor, name: str) -> FeaturePoints:
        """The rows of a (n, d) matrix, kept by reference; refused unless it is floating point and finite."""
        features = features.detach()
        norms = squared_norms(features, name)
        largest = float(norms.max()) if len(norms) else 0.0
        return cls(features, norms, working_dtype(features) if in_single_range(largest) else torch.float64)

    @property
    def relative_error(self) -> float:
        return product_error(self.features, self.dtype)

    @property
    def absolute_error(self) -> float:
        return torch.finfo(self.dtype).tiny * self.features.shape[1]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * self.features.shape[1]

    def __len__(self) -> int:
        return self.features.shape[0]

    def take(self, rows: Tensor | slice) -> FeaturePoints:
        return FeaturePoints(select(self.features, rows), select(self.squared_norms, rows), self.dtype)

    def join(self, other: FeaturePoints) -> FeaturePoints:
        return FeaturePoints(
            torch.cat([self.features, other.features]),
            torch.cat([self.squared_norms, other.squared_norms]),
            self.dtype,
        )

    def products(self, others: FeaturePoints) -> Tensor:
        return inner_products(self.features.to(self.dtype), others.features.to(self.dtype))

    def exact(self, rows: Tensor, others: FeaturePoints, columns: Tensor) -> Tensor:
        result = torch.empty(rows.shape[0], dtype=torch.float64, device=rows.device)
        for block in float64_blocks(rows.shape[0], self.features.shape[1], rows.device):
            difference = select(self.features, rows[block]).to(torch.float64)
            difference -= select(others.features, columns[block]).to(torch.float64)
            result[block] = row_sums(difference.square_())
        return result


def nearest_squared_distances(points: Points, centres: Points, known: Tensor, chunk_bytes: int) -> Tensor:
    """Exact squared distance of each point to its nearest centre, given what it is to some other centres.

    One matrix product with a rigorous error bound tells which centres can be the nearest, most often one; only
    these few pairs are computed exactly. Hence the result does not depend on how the product was rounded.

    Parameters
    ----------
    points: n points.
    centres: m points of the same kind.
    known: (n,) float64, squared distance to other centres, infinite if there are none.
    chunk_bytes: byte budget of the matrix of products.

    Returns
    -------
    (n,) float64, at most `known`. O(n m d) time.
    """
    result = known.clone()
    for rows, point, _, squared in _nearest_pairs(points, centres, known, chunk_bytes):
        result[rows].scatter_reduce_(0, point, squared, "amin")
    return result


def nearest_centres(points: Points, centres: Points, chunk_bytes: int) -> tuple[Tensor, Tensor]:
    """Exact squared distance of each point to its nearest centre, (n,) float64, and which that is, (n,) int64.

    Of centres that are equally near the first. There is at least one centre. O(n m d) time.
    """
    distance = torch.full_like(points.squared_norms, torch.inf)
    owner = torch.full_like(distance, len(centres), dtype=torch.int64)
    for rows, point, centre, squared in _nearest_pairs(points, centres, distance, chunk_bytes):
        nearest = distance[rows].scatter_reduce_(0, point, squared, "amin")
        hit = squared == nearest[point]
        owner[rows].scatter_reduce_(0, point[hit], centre[hit], "amin")
    return distance, owner


def _nearest_pairs(
    points: Points, centres: Points, known: Tensor, chunk_bytes: int
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """For some rows at a time the pairs (point, centre) that can be nearest, and their exact squared distances."""
    if len(centres) == 0:
        return
    for rows in row_chunks(len(points), 8 * len(centres), chunk_bytes):
        chunk = points.take(rows)
        upper, shift = _upper_bounds(chunk, centres)
        at_most = torch.minimum(known[rows], upper.amin(dim=1) + shift)
        point, centre = _pairs_within(chunk, centres, upper, shift, at_most)
        yield rows, point, centre, chunk.exact(point, centres, centre)


def squared_distance_bounds(points: Points, centres: Points) -> tuple[Tensor, Tensor]:
    """Lower and upper bounds on the exact squared distances, from one matrix product.

    Returns two (n, m) float64 matrices, the lower bounds not below zero.
    """
    upper, shift = _upper_bounds(points, centres)
    high = upper.to(torch.float64) + shift[:, None]
    relative, absolute = product_slack(points)
    norms = points.squared_norms[:, None] + centres.squared_norms
    return (high - norms.mul_(2 * relative).add_(4 * absolute)).clamp_(min=0), high


def squared_distances_below(points: Points, centres: Points, known: Tensor) -> Tensor:
    """Exact squared distances wherever they may be smaller than the known ones.

    Parameters
    ----------
    points: n points.
    centres: m points of the same kind.
    known: (n,) float64, squared distance of each point to its nearest centre so far.

    Returns
    -------
    (n, m) float64: the exact value, or infinity where it is certainly not below `known`.
    """
    upper, shift = _upper_bounds(points, centres)
    point, centre = _pairs_within(points, centres, upper, shift, known)
    result = torch.full(upper.shape, torch.inf, dtype=torch.float64, device=upper.device)
    result[point, centre] = points.exact(point, centres, centre)
    return result


# With relative error e and absolute error t of a product, ‖x‖² (1 + e) + ‖c‖² (1 + e) + 2 t − 2 fl(x·c) is at least
# the true squared distance, and at most 2 e (‖x‖² + ‖c‖²) + 4 t above it, since 2 ‖x‖ ‖c‖ <= ‖x‖² + ‖c‖². Sixteen
# more roundings stand for all additions and conversions on the way.


def product_slack(points: Points) -> tuple[float, float]:
    """e and t as above."""
    return points.relative_error + 8 * torch.finfo(torch.float32).eps, points.absolute_error


def _upper_bounds(points: Points, centres: Points) -> tuple[Tensor, Tensor]:
    """Upper bounds on the squared distances: a (n, m) matrix, to which a (n,) vector is still to be added."""
    relative, absolute = product_slack(points)
    products = points.products(centres)
    norms = (centres.squared_norms * (1 + relative)).to(products.dtype)
    shift = points.squared_norms * (1 + relative) + 2 * absolute
    return torch.add(norms, products, alpha=-2, out=products), shift


def _pairs_within(
    points: Points, centres: Points, upper: Tensor, shift: Tensor, at_most: Tensor
) -> tuple[Tensor, Tensor]:
    """All pairs (point, centre) whose squared distance may be at most `at_most` of the point."""
    # ‖c‖² <= 2 ‖x‖² + 2 ‖x − c‖²: a few centres of large norm do not widen the slack of the others.
    norms = torch.minimum(2 * (points.squared_norms + at_most), centres.squared_norms.max())
    relative, absolute = product_slack(points)
    slack = (points.squared_norms + norms) * (2 * relative) + 4 * absolute
    limit = (at_most + slack - shift).to(upper.dtype)
    if upper.device.type != "cpu":
        point, centre = (upper <= limit[:, None]).nonzero().unbind(1)
        return point, centre
    # NumPy compares and scans several times faster than torch; the matrix has few hits.
    hits = torch.from_numpy(np.flatnonzero(upper.numpy() <= limit.numpy()[:, None]))
    point = hits.div(upper.shape[1], rounding_mode="floor")
    return point, hits - point * upper.shape[1]


def feature_points(features: Tensor, centers: Tensor | None) -> tuple[FeaturePoints, FeaturePoints]:
    """A pool and its given centres (none for None) as points of one precision; of equal centres the first is kept.

    Raises
    ------
    ValueError
        Not finite matrices, or different numbers of columns.
    """
    pool = FeaturePoints.of(features, "features")
    if centers is None:
        return pool, pool.take(slice(0, 0))
    check_matrix(centers, "centers")
    if centers.shape[1] != features.shape[1]:
        raise ValueError(f"centers must have the {features.shape[1]} columns of features, got {centers.shape[1]}")
    # Equal centres would tie for every point, and every tie is decided exactly.
    centers = centers.detach().to(features.device)
    given = FeaturePoints.of(centers[_first_of_equals(centers)], "centers")
    dtype = torch.promote_types(pool.dtype, given.dtype) if len(given) else pool.dtype
    return replace(pool, dtype=dtype), replace(given, dtype=dtype)


def _first_of_equals(rows: Tensor) -> Tensor:
    """Ascending indices of the rows that equal none before them."""
    group = rows.unique(dim=0, return_inverse=True)[1]
    numbers = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(numbers, len(rows)).scatter_reduce_(0, group, numbers, "amin")
    return (first[group] == numbers).nonzero()[:, 0]


def true_indices(mask: Tensor) -> Tensor:
    """(k,) int64 ascending indices of the true entries of a (n,) mask."""
    if mask.device.type == "cpu":  # NumPy scans several times faster than torch
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.nonzero()[:, 0]
