"""How much each source head matters for a target head: any ν with W ν = w, of least norm or least length."""

from __future__ import annotations

import warnings

import numpy as np

RANK = 1e-10  # singular values below this share of the largest count as zero
ZERO = 1e-9  # entries of a vertex below this share of the largest are the solver's noise


def min_norm_relevance(heads: np.ndarray, target: np.ndarray) -> np.ndarray:
    """ν of least Euclidean norm with W ν = w; the nearest if there is none.

    Parameters
    ----------
    heads: W (k, M), a column a source.
    target: w (k,).

    Returns
    -------
    (M,) float64.

    Source: Chen, Jamieson, Du, "Active multi-task representation learning" (ICML 2022), ν* of its relevance score.
    """
    heads, target = check_heads(heads, target)
    return np.asarray(np.linalg.pinv(heads, rcond=RANK) @ target)


def l1_relevance(heads: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """ν of least Σ weights_m |ν_m| with W ν = w: a vertex of a linear program, so with at most k non-zeros.

    A target outside the span of the heads is replaced by its projection.

    Parameters
    ----------
    heads, target: W (k, M) and w (k,).
    weights: (M,) positive; ones if left out.

    Source: Wang, Chen, Jamieson, Du, "Improved active multi-task representation learning via Lasso" (ICML 2023), with
    equality in place of the penalty. That the rule n ∝ |ν¹| is the c-optimal design over the heads (Elfving, 1952) is
    our reading.
    """
    from scipy.optimize import linprog

    heads, target = check_heads(heads, target)
    count = heads.shape[1]
    cost = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if cost.shape != (count,) or not np.isfinite(cost).all() or (cost <= 0).any():
        raise ValueError(f"weights must be {count} positive numbers, got shape {cost.shape}")
    left, values, _ = np.linalg.svd(heads, full_matrices=False)
    basis = left[:, values > RANK * values.max(initial=0.0)] if values.size else left
    rows, right = basis.T @ heads, basis.T @ target
    if not len(rows) or not np.any(right):
        return np.zeros(count)
    # Columns of one length make the solver's absolute tolerances mean the same for every problem.
    length = float(np.abs(right).max())
    solved = linprog(
        np.concatenate([cost, cost]) / cost.max(),
        A_eq=np.hstack([rows, -rows]),
        b_eq=right / length,
        bounds=(0, None),
        method="highs-ds",
    )
    if solved.x is None:
        raise ArithmeticError(f"the linear program of {count} heads was not solved: {solved.message}")
    found = solved.x[:count] - solved.x[count:]
    support = np.flatnonzero(np.abs(found) > ZERO * np.abs(found).max(initial=0.0))
    relevance = np.zeros(count)
    relevance[support] = np.linalg.lstsq(rows[:, support], right, rcond=None)[0]  # exact on the vertex found
    return relevance


def lasso_relevance(heads: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """ν = argmin ½ ‖W ν − w‖² + penalty · ‖ν‖₁.

    Zero for a penalty of at least ‖Wᵀ w‖_∞. Unlike the two with equality it depends on the coordinates in which the
    heads are written: whiten them first.

    Source: Wang, Chen, Jamieson, Du (ICML 2023).
    """
    heads, target = check_heads(heads, target)
    if not (np.isfinite(penalty) and penalty > 0):
        raise ValueError(f"the penalty must be positive and finite, got {penalty}")
    return _lasso_path(heads, target, np.array([penalty]))[0]


def lasso_to_discrepancy(heads: np.ndarray, target: np.ndarray, residual: float) -> np.ndarray:
    """The LASSO solution of the largest penalty, of 40 from ‖Wᵀw‖_∞ down to 10⁻⁴ of it, with ‖W ν − w‖ ≤ residual.

    That of the smallest penalty, if none comes as near.
    """
    heads, target = check_heads(heads, target)
    largest = float(np.abs(heads.T @ target).max(initial=0.0))
    if largest == 0:
        return np.zeros(heads.shape[1])
    path = _lasso_path(heads, target, largest * np.geomspace(1, 1e-4, 40))
    near = np.linalg.norm(path @ heads.T - target, axis=1) <= residual
    return path[int(np.argmax(near))] if near.any() else path[-1]


def _lasso_path(heads: np.ndarray, target: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """(P, M): one solution for each of the decreasing penalties, each started from the one before it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso

    rows, count = heads.shape
    path = np.zeros((len(penalties), count))
    largest = float(np.abs(heads.T @ target).max(initial=0.0))
    # Scikit-learn divides the squared loss by the number of rows, and stops at a duality gap relative to ‖w‖².
    solver = Lasso(fit_intercept=False, tol=1e-12, max_iter=200_000, warm_start=True)
    for row, penalty in enumerate(penalties):
        if penalty < largest:
            solver.set_params(alpha=float(penalty) / rows)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # at rounding the gap may stop short of 1e-12
                path[row] = solver.fit(heads, target).coef_
    return path


def check_heads(heads: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, refused unless heads (k, M) and target (k,) are finite and agree.

    Raises
    ------
    ValueError
        Says which of them is wrong.
    """
    heads, target = np.asarray(heads, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if heads.ndim != 2 or target.shape != heads.shape[:1]:
        raise ValueError(f"heads must be (k, M) and the target (k,), got {heads.shape} and {target.shape}")
    if not (np.isfinite(heads).all() and np.isfinite(target).all()):
        raise ValueError("heads and target must be finite")
    return heads, target
