"""Greedy sampling for regression: the point farthest from what is labelled, in inputs, in outputs, or in both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_finite, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.lazy_distances import LazyDistances
from labelbench_plus.algorithms.blocks.lazy_greedy import lazy_greedy
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    FeaturePoints,
    exact_squared_distances,
    row_chunks,
    row_mean,
    select,
    squared_distance_bounds,
)
from labelbench_plus.algorithms.k_center import k_center_greedy

ROUNDING = 1e-12  # far above that of the few operations on a bound, far below any difference that a filter is for


@detached
def gsx(features: Tensor, n: int, *, labelled: Tensor | None = None, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Pick `n` rows, each the farthest from the labelled rows and the rows picked before it.

    That is `k_center_greedy`, but for the very first row of all: here the one nearest the mean.

    Parameters
    ----------
    features: (N, d) floating point.
    n: how many rows to pick, 0 to N.
    labelled: (m, d) features of what is labelled.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats; of rows that are equally far the lowest index.

    Raises
    ------
    ValueError
        Not a matrix, not finite, columns that do not match, or more rows asked for than there are.

    Notes
    -----
    Time and memory of `k_center_greedy`. Source: Wu, Lin and Huang (2019, arXiv 1808.04245), algorithm GSx.
    """
    if labelled is not None and len(labelled):
        return k_center_greedy(features, n, centers=labelled, chunk_bytes=chunk_bytes)
    check_matrix(features, "features")
    check_count(n, len(features))
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    first = _central(features)
    others = k_center_greedy(features, n, centers=features[first : first + 1], chunk_bytes=chunk_bytes)
    return _after(first, others, n)


@detached
def gsy(predictions: Tensor, n: int, *, labels: Tensor | None = None, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> Tensor:
    """Pick `n` rows, each with the prediction farthest from any label.

    The label of a row just picked is not known yet: its prediction stands in for it, and the model stays as it is.
    Without labels the first row is the one whose prediction is nearest the mean.

    Parameters
    ----------
    predictions: (N,) floating point, what a model says of the candidates.
    n: how many rows to pick, 0 to N.
    labels: (m,) floating point, of what is labelled.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats; of rows that are equally far the lowest index.

    Raises
    ------
    ValueError
        Not vectors, not finite, or more rows asked for than there are.

    Notes
    -----
    Time at most O(N (m + n)), memory O(N). Source: Wu, Lin and Huang (2019, arXiv 1808.04245), algorithm GSy; the
    stand-in is ours, theirs asks for one label at a time.
    """
    outputs = _vector(predictions, "predictions")[:, None]
    known = None if labels is None else _vector(labels, "labels")[:, None]
    return gsx(outputs, n, labelled=known, chunk_bytes=chunk_bytes)


@detached
def igs(
    features: Tensor,
    predictions: Tensor,
    n: int,
    *,
    labelled: Tensor | None = None,
    labels: Tensor | None = None,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows, each with the largest min over the labelled of (distance in features) x (distance in outputs).

    The minimum is over products: the nearest in features need not be the nearest in outputs. Predictions stand in for
    the labels of rows just picked, as in `gsy`. Equal predictions and labels make all products zero: the rows are
    then picked in the order of their indices. Without labels the first row is the one nearest the mean of the
    features.

    Parameters
    ----------
    features: (N, d) floating point. predictions: (N,) floating point.
    n: how many rows to pick, 0 to N.
    labelled, labels: (m, d) and (m,), of what is labelled; both or neither.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats; of equal products the lowest index.

    Raises
    ------
    ValueError
        Shapes that do not match, not finite, or more rows asked for than there are.

    Notes
    -----
    Exact: products are decided in float64 from the squared distances of `exact_squared_distances`. A row's product
    only shrinks when others are picked, so that a stale one is an upper bound, and few rows are looked at in a pick.
    Time O(N m d) for the labelled and at most O(N n d) for the picks; memory O(N) + `chunk_bytes`.

    Source: Wu, Lin and Huang (2019, arXiv 1808.04245), algorithm iGS.
    """
    if (labelled is None) != (labels is None):
        raise ValueError("labelled and labels must be given together or not at all")
    pool = _predicted(features, predictions, "features", "predictions")
    check_count(n, len(pool))
    if n == 0:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    first = None
    if labelled is not None and labels is not None and len(labelled):
        if labelled.shape[1:] != features.shape[1:]:
            raise ValueError(f"labelled must have the {features.shape[1]} columns of features, got {labelled.shape[1]}")
        given = _predicted(labelled.to(features.device), labels.to(features.device), "labelled", "labels")
        dtype = torch.promote_types(pool.dtype, given.dtype)
        pool, given = replace(pool, dtype=dtype), replace(given, dtype=dtype)
    else:
        first = _central(pool.features)
        given = pool.take(slice(first, first + 1))
    picks = lazy_greedy(_Improved(pool, given, chunk_bytes), n)
    return picks if first is None else _after(first, picks, n)


@dataclass(frozen=True)
class PredictedPoints(FeaturePoints):
    """Feature vectors, each with its label or what stands for it. values: (n,) float64."""

    values: Tensor

    def take(self, rows: Tensor | slice) -> PredictedPoints:
        points = super().take(rows)
        return PredictedPoints(points.features, points.squared_norms, points.dtype, select(self.values, rows))

    def join(self, other: FeaturePoints) -> PredictedPoints:
        assert isinstance(other, PredictedPoints)
        points, values = super().join(other), torch.cat([self.values, other.values])
        return PredictedPoints(points.features, points.squared_norms, points.dtype, values)


class LazyProducts(LazyDistances[PredictedPoints]):
    """`LazyDistances` where a squared distance is the product of that of features and that of values."""

    def nearest(self, points: PredictedPoints, centres: PredictedPoints, known: Tensor) -> Tensor:
        result = known.clone()
        for rows in row_chunks(len(points), 32 * len(centres), self.chunk_bytes):
            chunk = points.take(rows)
            outputs = (chunk.values[:, None] - centres.values).square_()
            low, high = squared_distance_bounds(chunk, centres)
            limit = torch.minimum(known[rows], high.mul_(outputs).amin(dim=1)) * (1 + ROUNDING)
            result[rows].masked_fill_((outputs == 0).any(dim=1), 0.0)  # there is nothing left to decide
            limit.masked_fill_(result[rows] == 0, -1.0)
            point, centre = (low.mul_(outputs) <= limit[:, None]).nonzero().unbind(1)
            products = chunk.exact(point, centres, centre) * outputs[point, centre]
            result[rows].scatter_reduce_(0, point, products, "amin")
        return result


class _Improved:
    """The objective of `igs`, for `lazy_greedy`: no sum, but a gain that never grows is all that laziness needs."""

    tight = True
    block = 64
    tolerance = 0.0

    def __init__(self, points: PredictedPoints, labelled: PredictedPoints, chunk_bytes: int) -> None:
        self._points, self._labelled, self._chunk_bytes = points, labelled, chunk_bytes
        self.rows, self.device = len(points), points.values.device
        self.patience = self.rows

    def reset(self) -> None:
        unknown = torch.full_like(self._points.values, torch.inf)
        self._lazy = LazyProducts(self._points, self._labelled, unknown, self._chunk_bytes)

    def sweep(self) -> Tensor:
        return self.gains(torch.arange(self.rows, device=self.device))

    def bounds(self, rows: Tensor) -> Tensor:
        return self.gains(rows)

    def gains(self, rows: Tensor) -> Tensor:
        self._lazy.refresh(rows)
        return self._lazy.bound[rows]

    def add(self, row: int) -> None:
        self._lazy.add(self._points.take(slice(row, row + 1)))


def _predicted(features: Tensor, values: Tensor, name: str, values_name: str) -> PredictedPoints:
    """From (n, d) features, kept by reference, and (n,) values, both refused unless finite."""
    points = FeaturePoints.of(features, name)
    values = _vector(values, values_name)
    if len(values) != len(points):
        raise ValueError(f"{values_name} must be {len(points)} numbers, one per row of {name}, got {len(values)}")
    return PredictedPoints(points.features, points.squared_norms, points.dtype, values.detach().to(torch.float64))


def _central(features: Tensor) -> int:
    """The row nearest to the mean of all rows; ties go to the lowest index."""
    return int(exact_squared_distances(features, row_mean(features)).argmin())


def _after(first: int, others: Tensor, n: int) -> Tensor:
    """`first`, then the others without it: it comes among them only where every row left coincides with a pick."""
    rest = others[others != first][: n - 1]
    return torch.cat([torch.tensor([first], device=others.device), rest])


def _vector(values: Tensor, name: str) -> Tensor:
    """Return `values`, refused unless a finite floating-point vector."""
    if values.dim() != 1 or not values.is_floating_point():
        raise ValueError(f"{name} must be a vector of floating point, got {values.dtype} {tuple(values.shape)}")
    return check_finite(values, name)
