"""BADGE: D² sampling of hallucinated last-layer gradients, through their factors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_probabilities
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import (
    DEFAULT_CHUNK_BYTES,
    float64_blocks,
    in_single_range,
    inner_products,
    product_error,
    row_sums,
    select,
    squared_norms,
    working_dtype,
)
from labelbench_plus.algorithms.d2_sampling import sample_d2


@detached
def badge(
    probabilities: Tensor,
    embeddings: Tensor,
    n: int,
    rng: Generator,
    *,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick `n` rows by k-means++ seeding of the loss gradients at the predicted labels.

    The gradient of the cross-entropy with respect to the last layer, at the predicted label ŷ, is the outer
    product g = (p − e_ŷ) ⊗ h. The first pick is the largest ‖g‖; each later one is row i with probability in
    proportion to D_i², its squared distance in gradient space to the nearest pick: exact, see `sample_d2`.
    Gradients are never formed: ⟨a ⊗ h, a' ⊗ h'⟩ = (a·a')(h·h').

    Parameters
    ----------
    probabilities: (N, K) predictions, rows sum to one, K at least 2. The predicted label is the first largest.
    embeddings: (N, d) inputs of the last layer, d at least 1, on the same device.
    n: how many rows to pick, 0 to N.
    rng: source of all randomness.
    chunk_bytes: byte budget of temporary arrays; does not change the picks.

    Returns
    -------
    (n,) int64 row indices in the order of picking, no repeats. The first: of equal norms the lowest index. Where
    all remaining gradients coincide with picks the remaining picks are uniform over the rows not picked yet.

    Raises
    ------
    ValueError
        Not matrices, not finite, rows that are no probabilities or do not match, or too many rows asked for.

    Notes
    -----
    Time at most O(N n (K + d)), in practice a small part of it; memory O(N) + `chunk_bytes`. Squared distances
    below about 1e-16 of the squared norms are rounding noise; those of equal rows are exactly zero.

    Source: Ash, Zhang, Krishnamurthy, Langford and Agarwal (2020), "Deep batch active learning by diverse,
    uncertain gradient lower bounds", Algorithm 1.
    """
    check_probabilities(probabilities)
    if embeddings.shape[0] != probabilities.shape[0]:
        raise ValueError(
            f"embeddings and probabilities must have the same rows, got {embeddings.shape[0]} and "
            f"{probabilities.shape[0]}"
        )
    check_count(n, probabilities.shape[0])
    points = GradientPoints.of(probabilities, embeddings)
    picks = [int(points.squared_norms.argmax())] if n > 0 else []
    nothing = points.take(slice(0, 0))
    ones = np.ones(len(points))
    return sample_d2(points, n, rng, centres=nothing, picks=picks, weights=ones, chunk_bytes=chunk_bytes)


@dataclass(frozen=True)
class GradientPoints:
    """The outer products (p − e_ŷ) ⊗ h as `Points`, kept as their factors."""

    probabilities: Tensor
    predicted: Tensor
    embeddings: Tensor
    squared_norms: Tensor
    largest_embedding: float  # squared norm
    dtype: torch.dtype

    @classmethod
    def of(cls, probabilities: Tensor, embeddings: Tensor) -> GradientPoints:
        """From checked (N, K) probabilities and (N, d) embeddings, both kept by reference."""
        probabilities, embeddings = probabilities.detach(), embeddings.detach()
        right = squared_norms(embeddings, "embeddings")
        left = torch.empty_like(right)
        dtype = torch.promote_types(working_dtype(probabilities), working_dtype(embeddings))
        points = cls(probabilities, probabilities.argmax(dim=1), embeddings, left, 0.0, dtype)
        for rows in float64_blocks(len(points), probabilities.shape[1], left.device):
            left[rows] = row_sums(points.take(rows)._errors(torch.float64).square_())
        largest = float(right.max()) if len(right) else 0.0
        if not in_single_range(largest):
            dtype = torch.float64
        return replace(points, squared_norms=left * right, largest_embedding=largest, dtype=dtype)

    @property
    def relative_error(self) -> float:
        left, right = (product_error(factor, self.dtype) for factor in (self.probabilities, self.embeddings))
        return (1 + left) * (1 + right) - 1

    @property
    def absolute_error(self) -> float:
        # What either factor loses to underflow is scaled by the other one; ‖p − e_ŷ‖² is at most 2.
        return torch.finfo(self.dtype).tiny * self._columns * (2 + self.largest_embedding)

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * self._columns

    @property
    def _columns(self) -> int:
        return self.probabilities.shape[1] + self.embeddings.shape[1]

    def __len__(self) -> int:
        return self.embeddings.shape[0]

    def take(self, rows: Tensor | slice) -> GradientPoints:
        return replace(
            self,
            probabilities=select(self.probabilities, rows),
            predicted=select(self.predicted, rows),
            embeddings=select(self.embeddings, rows),
            squared_norms=select(self.squared_norms, rows),
        )

    def join(self, other: GradientPoints) -> GradientPoints:
        return replace(
            self,
            probabilities=torch.cat([self.probabilities, other.probabilities]),
            predicted=torch.cat([self.predicted, other.predicted]),
            embeddings=torch.cat([self.embeddings, other.embeddings]),
            squared_norms=torch.cat([self.squared_norms, other.squared_norms]),
        )

    def products(self, others: GradientPoints) -> Tensor:
        errors = inner_products(self._errors(self.dtype), others._errors(self.dtype))
        return errors.mul_(inner_products(self.embeddings.to(self.dtype), others.embeddings.to(self.dtype)))

    def exact(self, rows: Tensor, others: GradientPoints, columns: Tensor) -> Tensor:
        result = torch.empty(rows.shape[0], dtype=torch.float64, device=rows.device)
        for block in float64_blocks(rows.shape[0], self._columns, rows.device):
            one, other = self.take(rows[block]), others.take(columns[block])
            # The sums of equal rows are the same to the last bit, so that their distance is zero.
            errors = row_sums(one._errors(torch.float64).mul_(other._errors(torch.float64)))
            inputs = row_sums(one.embeddings.to(torch.float64) * other.embeddings.to(torch.float64))
            result[block] = (one.squared_norms + other.squared_norms - 2 * errors * inputs).clamp_(min=0)
        return result

    def _errors(self, dtype: torch.dtype) -> Tensor:
        """p − e_ŷ, as a copy."""
        errors = self.probabilities.to(dtype, copy=True)
        return errors.scatter_add_(1, self.predicted[:, None], errors.new_full((len(self), 1), -1.0))
