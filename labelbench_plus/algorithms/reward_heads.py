"""Linear heads that say how good something is: from numbers, from levels, or from which of two is better."""

from __future__ import annotations

import numpy as np

NEWTON_STEPS, CLOSE = 100, 1e-10


def ridge(features: np.ndarray, scores: np.ndarray, l2: float) -> np.ndarray:
    """(d,) weights w that minimise Σ (s_i − s̄ − wᵀ(x_i − x̄))² + l2 · ‖w‖².

    Parameters
    ----------
    features: (n, d). scores: (n,).
    l2: above zero.

    Raises
    ------
    ValueError
        No rows, rows that do not match, values that are not finite, l2 not above zero.
    """
    features, scores = _checked(features, scores, l2)
    centred = features - features.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    shrunk = values / (values**2 + l2)
    return np.asarray(right.T @ (shrunk * (left.T @ (scores - scores.mean()))))


def bradley_terry(differences: np.ndarray, second_better: np.ndarray, l2: float) -> np.ndarray:
    """(d,) weights w that minimise −Σ [p log σ(wᵀd) + (1 − p) log σ(−wᵀd)] + l2/2 · ‖w‖².

    Parameters
    ----------
    differences: (n, d), the second's features less the first's.
    second_better: (n,) in 0..1, how probable it is that the second is better. A tie says nothing: leave it out.
    l2: above zero.

    Raises
    ------
    ValueError
        As `ridge`, and probabilities outside 0..1.

    Source: Bradley and Terry, Rank analysis of incomplete block designs (1952), with a prior on the weights.
    """
    differences, second_better = _checked(differences, second_better, l2)
    if not ((second_better >= 0) & (second_better <= 1)).all():
        raise ValueError("second_better must be probabilities in 0..1")
    left, values, right = np.linalg.svd(differences, full_matrices=False)
    points = left * values  # the same products in no more dimensions than there are rows
    found = np.zeros(points.shape[1])
    for _ in range(NEWTON_STEPS):
        share = _sigmoid(points @ found)
        slope = points.T @ (share - second_better) + l2 * found
        curve = (points * (share * (1 - share))[:, None]).T @ points + l2 * np.eye(len(found))
        move = np.linalg.solve(curve, slope)
        found = found - _length(points, second_better, l2, found, move, slope) * move
        if float(slope @ move) < CLOSE:
            break
    return np.asarray(right.T @ found)


def ordinal(features: np.ndarray, levels: np.ndarray, l2: float) -> np.ndarray:
    """(d,) weights w of a cumulative logit: P(level ≤ c | x) = σ(t_c − wᵀx), with thresholds t that ascend.

    Minus the log likelihood plus l2/2 · ‖w‖² is minimised; thresholds are not shrunk.

    Parameters
    ----------
    features: (n, d). levels: (n,) numbers of which only the order counts.
    l2: above zero.

    Raises
    ------
    ValueError
        As `ridge`, or all levels are the same.

    Source: McCullagh, Regression models for ordinal data (1980), section 2.3.
    """
    from scipy.optimize import minimize

    features, levels = _checked(features, levels, l2)
    each, place = np.unique(levels, return_inverse=True)
    if len(each) < 2:
        raise ValueError("all levels are the same: there is no order to learn")
    left, values, right = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    points, size, steps = left * values, len(values), len(each) - 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, gaps = parameters[:size], parameters[size:]
        thresholds = np.concatenate([gaps[:1], gaps[0] + np.cumsum(np.exp(gaps[1:]))])
        scores = points @ weights
        above = np.concatenate([thresholds, [np.inf]])[place] - scores
        below = np.concatenate([[-np.inf], thresholds])[place] - scores
        upper, lower = _sigmoid(above), _sigmoid(below)
        chance = np.maximum(upper - lower, 1e-300)
        slope_above, slope_below = upper * (1 - upper) / chance, lower * (1 - lower) / chance
        by_score = slope_above - slope_below  # of minus the log likelihood
        by_threshold = np.zeros(steps + 1)
        np.add.at(by_threshold, place, -slope_above)
        np.add.at(by_threshold, place - 1, np.where(place > 0, slope_below, 0.0))
        tail = np.cumsum(by_threshold[:steps][::-1])[::-1]
        slope = np.concatenate([points.T @ by_score + l2 * weights, tail[:1], tail[1:] * np.exp(gaps[1:])])
        return float(-np.log(chance).sum() + 0.5 * l2 * weights @ weights), slope

    shares = np.cumsum(np.bincount(place))[:-1] / len(place)
    first = np.log(shares / (1 - shares))
    start = np.concatenate([np.zeros(size), first[:1], np.log(np.diff(first))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-8})
    return np.asarray(right.T @ found.x[:size])


def _length(
    points: np.ndarray, target: np.ndarray, l2: float, at: np.ndarray, move: np.ndarray, slope: np.ndarray
) -> float:
    """How much of Newton's step makes the loss less enough."""

    def loss(weights: np.ndarray) -> float:
        scores = points @ weights
        return float((np.logaddexp(0, scores) - target * scores).sum() + 0.5 * l2 * weights @ weights)

    length, here = 1.0, loss(at)
    while length > 1e-8 and loss(at - length * move) > here - 0.25 * length * float(slope @ move):
        length *= 0.5
    return length


def _sigmoid(values: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(values))


def _checked(features: np.ndarray, said: np.ndarray, l2: float) -> tuple[np.ndarray, np.ndarray]:
    features, said = np.asarray(features, dtype=np.float64), np.asarray(said, dtype=np.float64)
    if features.ndim != 2 or said.shape != features.shape[:1] or 0 in features.shape:
        raise ValueError(f"expected rows of features and a number for each, got {features.shape} and {said.shape}")
    if not (np.isfinite(features).all() and np.isfinite(said).all()):
        raise ValueError("features and what is said of them must be finite")
    if l2 <= 0:
        raise ValueError(f"l2 must be above zero, got {l2}")
    return features, said
