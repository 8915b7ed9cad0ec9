"""A Gaussian process in closed form, beside whole matrices, and beside refits without a label."""

from __future__ import annotations

import pytest
import torch

from labelbench_plus.algorithms.learners.gaussian_process import gaussian_process
from tests.algorithms.known_regression import KNOWN, LABELLED, X, Y

MODEL = {"variance": 1.7, "length": 0.8, "noise": 0.05}


def cloud(n: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_known_answer() -> None:
    given = {name: KNOWN["gp"][name] for name in ("variance", "length", "noise")}
    fit = gaussian_process(X[LABELLED], Y[LABELLED], **given)
    expected = torch.tensor(KNOWN["gp"]["posterior_variance"], dtype=torch.float64)
    torch.testing.assert_close(fit.posterior_variance(X), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 700])
def test_whole_matrices(dtype: torch.dtype, rows: int) -> None:
    points, test, labels = cloud(40, 1, dtype), cloud(rows, 2, dtype) + 5, cloud(40, 3)[:, 0]
    fit = gaussian_process(points + 5, labels, **MODEL)

    def prior(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return 1.7 * (-torch.cdist(a.double(), b.double()).square() / (2 * 0.8**2)).exp()

    moved = points + 5
    gram, cross = prior(moved, moved) + 0.05 * torch.eye(40), prior(test, moved)
    torch.testing.assert_close(fit.predictions(test), cross @ torch.linalg.solve(gram, labels))
    variance = 1.7 - (cross * torch.linalg.solve(gram, cross.T).T).sum(dim=1)
    torch.testing.assert_close(fit.posterior_variance(test), variance)


def test_without_a_label_it_is_the_fit_of_the_others() -> None:
    points, test, labels = cloud(12, 1), cloud(30, 2), cloud(12, 3)[:, 0]
    fit = gaussian_process(points, labels, **MODEL)
    rows = torch.tensor([3, 0, 11])
    for row, found in zip(rows.tolist(), fit.without(rows, test), strict=True):
        others = torch.arange(12) != row
        torch.testing.assert_close(found, gaussian_process(points[others], labels[others], **MODEL).predictions(test))
    alone = gaussian_process(points[:1], labels[:1], **MODEL)
    torch.testing.assert_close(alone.without(torch.tensor([0]), test), torch.zeros(1, 30, dtype=torch.float64))


def test_refusals() -> None:
    points, labels = cloud(4, 1), cloud(4, 2)[:, 0]
    with pytest.raises(ValueError, match="no examples"):
        gaussian_process(points[:0], labels[:0], **MODEL)
    with pytest.raises(ValueError, match="labels must be 4"):
        gaussian_process(points, labels[:3], **MODEL)
    with pytest.raises(ValueError, match="noise must be positive"):
        gaussian_process(points, labels, **{**MODEL, "noise": 0.0})
    labels[1] = torch.nan
    with pytest.raises(ValueError, match="labels must be finite"):
        gaussian_process(points, labels, **MODEL)
