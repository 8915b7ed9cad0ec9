"""Many linear regressions through one low-dimensional representation, by exact alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIDGE = 1e-12  # of the mean diagonal entry: keeps systems solvable that the data leave open, and moves no digit else
LARGEST_SYSTEM = 6000


@dataclass(frozen=True)
class Moments:
    """What least squares needs of J tasks: XᵀX (J, d, d), Xᵀy (J, d), yᵀy (J,), and how many examples (J,)."""

    gram: np.ndarray
    cross: np.ndarray
    square: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class SharedRepresentation:
    """The model x ↦ (Bᵀx)ᵀ (A ψ): `basis` B (d, k) with orthonormal columns, `task_map` A (k, p).

    `loss` is the sum of squared errors over all examples, `steps` how many sweeps it took.
    """

    basis: np.ndarray
    task_map: np.ndarray
    loss: float
    steps: int


def moments(tasks: list[tuple[np.ndarray, np.ndarray]]) -> Moments:
    """The moments of tasks given as inputs (n, d) and labels (n,)."""
    return Moments(
        np.stack([inputs.T @ inputs for inputs, _ in tasks]),
        np.stack([inputs.T @ labels for inputs, labels in tasks]),
        np.array([float(labels @ labels) for _, labels in tasks]),
        np.array([len(labels) for _, labels in tasks]),
    )


def shared_representation(
    data: Moments,
    rank: int,
    descriptors: np.ndarray | None = None,
    tolerance: float = 1e-6,
    most_steps: int = 400,
) -> SharedRepresentation:
    """Minimise Σ_j ‖y_j − X_j B A ψ_j‖² over B (d, k) and A (k, p).

    Each half step solves its normal equations exactly: A, a system of k · p unknowns (J systems of k where heads are
    free), and B, one of k · d. Starts from the spectrum of the tasks' whitened correlations. Ends when a sweep lowers
    the loss by no more than `tolerance` times itself, or after `most_steps`: the last sweeps move what noise alone
    decides. Every example weighs the same.

    Parameters
    ----------
    data: of J tasks. A task without examples is allowed.
    rank: k, at most d.
    descriptors: ψ (J, p), a row a task. Left out, every task has a head of its own (ψ one-hot, p = J).

    Raises
    ------
    ValueError
        Shapes that do not agree, a rank outside 1..d, no example at all, or systems too large for this method.

    Memory: J · d² for the moments, (k · d)² for the system of B.
    Source: Fit 1 of Chen, Jamieson, Du (ICML 2022) and the bilinear model of Chen et al. (NeurIPS 2023). They fit it by
    stochastic gradients; alternating least squares is our choice.
    """
    tasks, width = data.cross.shape
    if data.gram.shape != (tasks, width, width) or not 1 <= rank <= width:
        raise ValueError(f"gram {data.gram.shape}, cross {data.cross.shape} and rank {rank} do not agree")
    if descriptors is not None and (descriptors.ndim != 2 or len(descriptors) != tasks):
        raise ValueError(f"descriptors must have a row for each of {tasks} tasks, got shape {descriptors.shape}")
    if not data.counts.sum():
        raise ValueError("there is no example to fit to")
    unknowns = rank * max(width, 0 if descriptors is None else descriptors.shape[1])
    if unknowns > LARGEST_SYSTEM:
        raise ValueError(
            f"{rank} dimensions of {width} inputs make a system of {unknowns} unknowns, more than {LARGEST_SYSTEM}: "
            "use a trainer that follows gradients"
        )
    basis = spectral_start(data)[1][:, :rank]
    loss = np.inf
    for step in range(1, most_steps + 1):
        basis = np.linalg.qr(basis)[0]
        task_map = _task_map(data, basis, descriptors)
        heads = task_map if descriptors is None else task_map @ descriptors.T
        before = loss
        loss = _loss(data, basis, heads)
        if before - loss <= tolerance * loss or step == most_steps:
            break
        basis = _basis(data, heads)
    return SharedRepresentation(basis, task_map, loss, step)


def spectral_start(data: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (d,) and directions (d, d) of the tasks' regressions under the pooled covariance.

    The columns C^(−1/2) u, with u the left singular vectors of [C^(−1/2) Xᵀ_j y_j / √n_j] and C the pooled covariance,
    in decreasing order of the singular values.
    """
    from scipy.linalg import eigh

    pooled = data.gram.sum(axis=0) / data.counts.sum()
    values, vectors = eigh(pooled)
    values = np.maximum(values, RIDGE * max(float(values[-1]), np.finfo(float).tiny))
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    signal = (data.cross / np.sqrt(np.maximum(data.counts, 1))[:, None]) @ whiten
    squares, directions = eigh(signal.T @ signal)
    return np.sqrt(np.maximum(squares[::-1], 0)), whiten @ directions[:, ::-1]


def rank_for_energy(data: Moments, share: float = 0.95) -> int:
    """The smallest rank whose spectral start keeps `share` of the squared singular values."""
    energy = np.cumsum(spectral_start(data)[0] ** 2)
    return int(np.searchsorted(energy, share * energy[-1])) + 1


def _task_map(data: Moments, basis: np.ndarray, descriptors: np.ndarray | None) -> np.ndarray:
    inner = basis.T @ data.gram @ basis  # (J, k, k)
    right = data.cross @ basis  # (J, k)
    if descriptors is None:
        return np.einsum("jkl,jl->kj", np.linalg.pinv(inner, rcond=1e-10, hermitian=True), right)
    (tasks, width), rank = descriptors.shape, basis.shape[1]
    outer = np.einsum("jp,jq->jpq", descriptors, descriptors).reshape(tasks, -1)
    system = (inner.reshape(tasks, -1).T @ outer).reshape(rank, rank, width, width)
    system = system.transpose(0, 2, 1, 3).reshape(rank * width, rank * width)
    return _solve(system, (right.T @ descriptors).reshape(-1)).reshape(rank, width)


def _basis(data: Moments, heads: np.ndarray) -> np.ndarray:
    (tasks, width), rank = data.cross.shape, len(heads)
    outer = np.einsum("kj,lj->jkl", heads, heads).reshape(tasks, -1)
    system = (outer.T @ data.gram.reshape(tasks, -1)).reshape(rank, rank, width, width)
    system = system.transpose(0, 2, 1, 3).reshape(rank * width, rank * width)
    return _solve(system, (heads @ data.cross).reshape(-1)).reshape(rank, width).T


def _solve(system: np.ndarray, right: np.ndarray) -> np.ndarray:
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    diagonal = np.einsum("ii->i", system)
    diagonal += RIDGE * max(float(diagonal.mean()), np.finfo(float).tiny)
    try:
        return np.asarray(cho_solve(cho_factor(system, check_finite=False), right, check_finite=False))
    except LinAlgError:  # rounding can leave a singular system indefinite by more than the ridge
        return np.asarray(np.linalg.lstsq(system, right, rcond=None)[0])


def _loss(data: Moments, basis: np.ndarray, heads: np.ndarray) -> float:
    weights = (basis @ heads).T  # (J, d): each task's regression
    fitted = np.einsum("jd,jd->", weights, np.matvec(data.gram, weights) - 2 * data.cross)
    return float(data.square.sum() + fitted)
