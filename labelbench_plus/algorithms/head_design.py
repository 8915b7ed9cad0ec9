"""Optimal designs over a finite set of heads: which mixture is most informative about all directions, or about some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelbench_plus.algorithms.relevance import l1_relevance

MOST_NEWTON = 200
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class EOptimalDesign:
    """A mixture whose information matrix has the largest least eigenvalue, and the proof.

    Attributes
    ----------
    weights: (S,) at least zero, summing to one.
    value: λ_min of Σ weights_i z_i z_iᵀ.
    certificate: E (k, k), positive semidefinite with trace one. No design's λ_min exceeds max_i z_iᵀ E z_i.
    bound: that maximum.
    """

    weights: np.ndarray
    value: float
    certificate: np.ndarray
    bound: float


def e_optimal(heads: np.ndarray, tolerance: float = 1e-6, most_steps: int = 500) -> EOptimalDesign:
    """Maximise λ_min(Σ p_i z_i z_iᵀ) over the simplex by cutting planes.

    λ_min is the least of Σ p_i (uᵀz_i)² over unit u. A linear program maximises it over the u met so far; the
    eigenvectors of its answer's information matrix join them, until the relative gap between the value reached and the
    program's bound is at most `tolerance`. The program's dual weights of the u make up the certificate. Starts from the
    end of a central path, from where it is at most a few steps; from scratch, many directions take hundreds.

    Parameters
    ----------
    heads: (k, S), the columns z_i.

    Raises
    ------
    ValueError
        Not a finite matrix with at least one column.
    ArithmeticError
        The gap did not close in `most_steps`.

    Source: Pukelsheim, "Optimal Design of Experiments" (1993), chapter 4, for the certificate (equivalence theorem).
    """
    from scipy.optimize import linprog

    heads = _check(heads)
    size, count = heads.shape
    scale = float((heads**2).sum(axis=0).max())
    if scale == 0:
        return EOptimalDesign(np.full(count, 1 / count), 0.0, np.eye(size) / size, 0.0)
    points = heads / np.sqrt(scale)
    best = _central_path(points, tolerance)
    cuts = np.linalg.eigh(best.certificate)[1].T
    for _ in range(most_steps):
        # In units of the bound, so that the solver's absolute tolerances are small however small λ_min is.
        rows = (cuts @ points) ** 2 / (best.bound if np.isfinite(best.bound) else 1.0)
        solved = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=np.hstack([-rows, np.ones((len(rows), 1))]),
            b_ub=np.zeros(len(rows)),
            A_eq=np.append(np.ones(count), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, None)] * count + [(None, None)],
            method="highs-ds",
            options=EXACT,
        )
        if solved.x is None:
            raise ArithmeticError(f"the linear program of {len(cuts)} cuts was not solved: {solved.message}")
        weights = np.maximum(solved.x[:count], 0)
        weights /= weights.sum()
        values, vectors = np.linalg.eigh((points * weights) @ points.T)
        duals = np.maximum(-solved.ineqlin.marginals, 0)
        certificate = (cuts.T * (duals / duals.sum())) @ cuts
        bound = min(best.bound, float(np.einsum("ks,kl,ls->s", points, certificate, points).max()))
        if values[0] > best.value or bound < best.bound:
            better = values[0] > best.value
            best = EOptimalDesign(
                weights if better else best.weights,
                max(float(values[0]), best.value),
                certificate if bound < best.bound else best.certificate,
                bound,
            )
        if best.bound - best.value <= tolerance * best.bound or best.bound <= 1e-14:
            return EOptimalDesign(best.weights, best.value * scale, best.certificate, best.bound * scale)
        cuts = np.concatenate([cuts, vectors.T])
    raise ArithmeticError(f"the gap of the E-optimal design is {1 - best.value / best.bound:.1e} after {most_steps}")


def _central_path(points: np.ndarray, tolerance: float) -> EOptimalDesign:
    """Newton's method on t + μ (log det(M(p) − t I) + Σ log p_i) for ever smaller μ.

    Where the slope in t vanishes, E = μ (M − t I)⁻¹ has trace one: a certificate.
    """
    size, count = points.shape
    weights = np.full(count, 1 / count)
    information = (points * weights) @ points.T
    level = float(np.linalg.eigvalsh(information)[0]) - np.trace(information) / size
    barrier = float(np.trace(information)) / size
    found = EOptimalDesign(weights, -1.0, np.eye(size) / size, np.inf)
    for _ in range(MOST_NEWTON):
        information = (points * weights) @ points.T
        inverse = np.linalg.inv(information - level * np.eye(size))
        inner = points.T @ inverse @ points
        square = inverse @ inverse
        slope = np.append(barrier * (np.diag(inner) + 1 / weights), 1 - barrier * np.trace(inverse))
        curve = np.zeros((count + 2, count + 2))
        curve[:count, :count] = barrier * (inner**2 + np.diag(weights**-2))
        curve[:count, count] = curve[count, :count] = -barrier * np.einsum("ks,kl,ls->s", points, square, points)
        curve[count, count] = barrier * np.trace(square)
        curve[count + 1, :count] = curve[:count, count + 1] = 1.0
        move = np.linalg.solve(curve, np.append(slope, 0.0))[:-1]
        decrement = float(slope @ move) / barrier
        length = 1.0
        while length > 1e-12:
            tried, height = weights + length * move[:-1], level + length * move[-1]
            if tried.min() > 0 and np.linalg.eigvalsh((points * tried) @ points.T)[0] > height:
                break
            length *= 0.7
        # Half of the way to the edge keeps clear of it; full steps are taken once they are safely inside.
        length = length if length == 1 else 0.5 * length
        weights, level = weights + length * move[:-1], level + length * move[-1]
        weights /= weights.sum()
        if decrement < 0.25:
            certificate = inverse / np.trace(inverse)
            value = float(np.linalg.eigvalsh((points * weights) @ points.T)[0])
            bound = float(np.einsum("ks,kl,ls->s", points, certificate, points).max())
            if value > found.value:
                found = EOptimalDesign(weights, value, found.certificate, found.bound)
            if bound < found.bound:
                found = EOptimalDesign(found.weights, found.value, certificate, bound)
            if found.bound - found.value <= 0.5 * tolerance * found.bound or found.bound <= 1e-14:
                break
            barrier *= 0.2
    return found


def e_optimal_ball(task_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The E-optimal design over all w of the unit ball for the heads B w.

    With B = U S Vᵀ it lies on the right singular vectors, with weights ∝ s_i⁻², and reaches λ_min = 1 / Σ s_i⁻².

    Parameters
    ----------
    task_map: B (k, d) of rank k.

    Returns
    -------
    The directions (k, d), a row each, and their weights (k,).

    Raises
    ------
    ValueError
        B is of lower rank, so that no design tells about all k directions.
    """
    task_map = _check(task_map)
    _, values, directions = np.linalg.svd(task_map, full_matrices=False)
    if len(values) < len(task_map) or values[-1] <= 1e-10 * values[0]:
        raise ValueError(f"the map (k, d) must have rank k = {len(task_map)}, got singular values {values}")
    return directions, values**-2 / (values**-2).sum()


def c_optimal(heads: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The design p that minimises wᵀ (Σ p_i z_i z_iᵀ)⁻¹ w, and that minimum.

    By Elfving's theorem (1952) p ∝ |ν¹| and the minimum is ‖ν¹‖₁², with ν¹ of `l1_relevance`. All zero, with an
    infinite minimum, where no head tells anything about the target.
    """
    relevance = np.abs(l1_relevance(heads, target))
    length = float(relevance.sum())
    return (relevance / length, length**2) if length else (relevance, np.inf)


def v_optimal(
    heads: np.ndarray, targets: np.ndarray, tolerance: float = 1e-6, most_steps: int = 20_000
) -> tuple[np.ndarray, float, float]:
    """The design p that minimises Σ_t u_tᵀ (Σ p_i z_i z_iᵀ)⁻¹ u_t, by multiplicative updates p ← p √gradient.

    Parameters
    ----------
    heads: (k, S) of rank k. targets: (k, T).
    tolerance: relative gap at which to stop.

    Returns
    -------
    The weights (S,), the value reached, and the relative gap to a lower bound of every design's value (equivalence
    theorem: value · value / max_i z_iᵀ M⁻¹ UUᵀ M⁻¹ z_i is one), which is above `tolerance` if `most_steps` ran out.

    Raises
    ------
    ValueError
        Heads that do not span k directions.

    Source: Silvey, Titterington, Torsney (1978) for the updates.
    """
    heads = _check(heads)
    targets = np.asarray(targets, dtype=np.float64)
    if targets.ndim != 2 or len(targets) != len(heads):
        raise ValueError(f"targets must be (k, T) with k = {len(heads)}, got shape {targets.shape}")
    if np.linalg.matrix_rank(heads, tol=1e-10 * np.abs(heads).max(initial=0.0)) < len(heads):
        raise ValueError(f"the heads must span all {len(heads)} directions")
    weights = np.full(heads.shape[1], 1 / heads.shape[1])
    value, gap = np.inf, np.inf
    for _ in range(most_steps):
        information = (heads * weights) @ heads.T
        solved = np.linalg.solve(information, targets)
        value = float((targets * solved).sum())
        gradient = ((heads.T @ solved) ** 2).sum(axis=1)
        gap = 1 - value / float(gradient.max()) if value > 0 else 0.0
        if gap <= tolerance:
            break
        weights = weights * np.sqrt(gradient)
        # A weight that dies out would leave the information singular while its direction is still asked for.
        weights = np.maximum(weights / weights.sum(), 1e-12)
        weights /= weights.sum()
    return weights, value, gap


def _check(heads: np.ndarray) -> np.ndarray:
    heads = np.asarray(heads, dtype=np.float64)
    if heads.ndim != 2 or 0 in heads.shape or not np.isfinite(heads).all():
        raise ValueError(f"heads must be a finite matrix (k, S) with at least one column, got shape {heads.shape}")
    return heads
