"""The linear student of the data-selection theory: the best low-rank part of a cross-covariance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_matrix
from labelbench_plus.algorithms.blocks.detached import detached


@dataclass(frozen=True)
class LinearStudent:
    """Scores a pair as (imagesᵀ left) · (textsᵀ right): left, right (D, r) float64, ascribing √σ to each side."""

    left: Tensor
    right: Tensor

    @property
    def product(self) -> Tensor:
        """left rightᵀ, (D, D): the best rank-r part of the cross-covariance that it was fitted to."""
        return self.left @ self.right.T


@detached
def cross_covariance(images: Tensor, texts: Tensor) -> Tensor:
    """(D, E) float64, centred, of rows of images (n, D) and texts (n, E).

    Raises
    ------
    ValueError
        Something is not finite, or the numbers of rows differ or are zero.
    """
    check_matrix(images, "images")
    check_matrix(texts, "texts")
    if len(images) != len(texts) or len(images) == 0:
        raise ValueError(f"need as many texts as images and at least one, got {len(images)} and {len(texts)}")
    left, right = images.double(), texts.double()
    return (left - left.mean(dim=0)).T @ (right - right.mean(dim=0)) / len(images)


@detached
def fit_linear_student(images: Tensor, texts: Tensor, rank: int) -> LinearStudent:
    """Minimise −tr(Gᵥᵀ C G_l) + (ρ/2)‖GᵥG_lᵀ‖² over matrices of `rank` columns, C the pairs' cross-covariance.

    The linearised contrastive loss reduces to this (Nakada et al., 2023). Its minimiser is the truncated singular value
    decomposition of C, over ρ, which is one here: no comparison depends on it.
    """
    u, values, v = torch.linalg.svd(cross_covariance(images, texts))
    root = values[:rank].sqrt()
    return LinearStudent(u[:, :rank] * root, v[:rank].T * root)
