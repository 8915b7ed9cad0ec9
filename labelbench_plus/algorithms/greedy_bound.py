"""What a greedy learner would buy if it were told all answers: how much choosing could gain."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix
from labelbench_plus.algorithms.blocks.detached import detached
from labelbench_plus.algorithms.blocks.pairwise import DEFAULT_CHUNK_BYTES, row_chunks, squared_distances

SAME = 1e-9  # relative: changes of the error so close are equal, however a product is rounded


@detached
def greedy_bound(
    features: Tensor,
    labels: Tensor,
    bought: Tensor,
    n: int,
    rng: Generator,
    *,
    trials: int = 256,
    prices: Tensor | None = None,
    width: float = 1.0,
    noise: float = 0.1,
    chunk_bytes: int = DEFAULT_CHUNK_BYTES,
) -> Tensor:
    """Pick rows one by one, each the one whose label makes a least-squares classifier err least on all rows.

    The classifier is kernel ridge regression on one-hot labels, less 1/K, with k(x, y) = exp(−‖x − y‖² / (width · d)).
    Its error is the mean over classes of the mean squared error on the rows of a class, whether bought or not. Since
    that takes all labels, the picks are no method's: they show what is possible. They are no strict bound either, as
    picks are greedy, and another model is trained on them.

    Parameters
    ----------
    features: (N, d) floating point, d at least 1.
    labels: (N,) long, the true class of every row; negative for a row of no class, which teaches nothing.
    bought: (m,) long, distinct rows that are bought already.
    n: how many of the other rows to pick, at most N − m.
    rng: draws the rows that are tried.
    trials: rows drawn for each pick, of which the best is taken; all of them if there are no more.
    prices: (N,) positive: what counts is the change of the error for each unit of price. Equal if left out.
    width: of the kernel, positive.
    noise: the ridge, positive.
    chunk_bytes: byte budget of temporary arrays.

    Returns
    -------
    (n,) int64 rows in the order of picking. Of equal rows that were drawn the lowest index wins.

    Raises
    ------
    ValueError
        Shapes that do not match, features that are not finite, rows out of range or twice, or a number out of range.

    Notes
    -----
    O(N trials (d + m + n)) time a pick: the classifier is not fitted again, as one more label changes its prediction
    by a multiple of the posterior covariance. Memory O(N (d + m + n)) in float64, and `chunk_bytes`.
    """
    _check(features, labels, bought, prices)
    check_count(n, len(features) - len(bought))
    if trials < 1 or not all(0 < value < math.inf for value in (width, noise)):
        raise ValueError(f"trials, width and noise must be positive, got {trials}, {width} and {noise}")
    learner = _Learner(features, labels, width * features.shape[1], noise, len(bought) + n)
    for row in bought.tolist():
        learner.add(row)
    free = np.ones(len(features), dtype=bool)
    free[bought.cpu().numpy()] = False
    picks: list[int] = []
    for _ in range(n):
        left = np.flatnonzero(free)
        tried = torch.as_tensor(left if len(left) <= trials else np.sort(rng.choice(left, trials, replace=False)))
        change = learner.changes(tried.to(features.device), chunk_bytes).cpu()
        if prices is not None:
            change = change / prices[tried.to(prices.device)].double().cpu()
        least = float(change.min())
        pick = int(tried[int((change <= least + SAME * abs(least)).nonzero()[0])])
        learner.add(pick)
        free[pick] = False
        picks.append(pick)
    return torch.tensor(picks, dtype=torch.int64, device=features.device)


class _Learner:
    """Kernel ridge regression to which labels are added one by one.

    Row i of `taught` (t, N) is the posterior covariance of all rows with the i-th label's, by the root of its variance.
    """

    def __init__(self, features: Tensor, labels: Tensor, scale: float, noise: float, room: int) -> None:
        self._points, self._scale, self._noise = features.double(), scale, noise
        known = labels >= 0
        classes = int(labels.max()) + 1 if bool(known.any()) else 1
        one_hot = torch.nn.functional.one_hot(labels.clamp(min=0), classes).double() - 1 / classes
        self._targets, self._known = torch.where(known[:, None], one_hot, 0.0), known
        counts = torch.bincount(labels[known], minlength=classes).clamp(min=1).double()
        self._weights = torch.where(known, 1 / counts[labels.clamp(min=0)], 0.0)
        self._found = torch.zeros_like(self._targets)
        self._taught = self._points.new_zeros(room, len(features))
        self._count = 0

    def _covariances(self, rows: Tensor) -> Tensor:
        """(N, r) of all rows with some, given what was taught."""
        taught = self._taught[: self._count]
        prior = squared_distances(self._points, self._points[rows]).div_(-self._scale).exp_()
        return prior.addmm_(taught.T, taught[:, rows], alpha=-1)

    def _steps(self, rows: Tensor, variances: Tensor) -> Tensor:
        """(r, K) by how much of its covariance each row's label would move the predictions."""
        return (self._targets[rows] - self._found[rows]) / (variances.clamp(min=0) + self._noise)[:, None]

    def add(self, row: int) -> None:
        """Teach a row's label, unless it has none."""
        if not bool(self._known[row]):
            return
        rows = torch.tensor([row], device=self._points.device)
        covariance = self._covariances(rows)
        variance = covariance[row]
        self._found += covariance * self._steps(rows, variance)
        self._taught[self._count] = covariance[:, 0] / (variance.clamp(min=0) + self._noise).sqrt()
        self._count += 1

    def changes(self, rows: Tensor, chunk_bytes: int) -> Tensor:
        """(r,) by how much the error grows if each row's label were taught alone; a row without one comes last."""
        wrong = self._weights[:, None] * (self._found - self._targets)
        out = self._points.new_empty(len(rows))
        for part in row_chunks(len(rows), 16 * len(self._points), chunk_bytes):
            covariances, these = self._covariances(rows[part]), rows[part]
            variances = covariances[these, torch.arange(len(these), device=these.device)]
            steps = self._steps(these, variances)
            linear = ((covariances.T @ wrong) * steps).sum(dim=1)
            out[part] = 2 * linear + (covariances.square_().T @ self._weights) * steps.square().sum(dim=1)
        return torch.where(self._known[rows], out, math.inf)


def _check(features: Tensor, labels: Tensor, bought: Tensor, prices: Tensor | None) -> None:
    check_matrix(features, "features")
    rows = len(features)
    if labels.shape != (rows,) or (prices is not None and prices.shape != (rows,)):
        shapes = [tuple(each.shape) for each in (labels, prices) if each is not None]
        raise ValueError(f"labels and prices must be one for each of the {rows} rows of features, got {shapes}")
    if prices is not None and not bool((prices > 0).all()):
        raise ValueError("prices must be positive")
    if bought.dim() != 1 or len(bought.unique()) != len(bought):
        raise ValueError("bought must be distinct rows: (m,)")
    if len(bought) and not 0 <= int(bought.min()) <= int(bought.max()) < rows:
        raise ValueError(f"bought must lie in 0..{rows - 1}, got {int(bought.min())}..{int(bought.max())}")
