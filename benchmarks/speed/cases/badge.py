"""BADGE: D² sampling of last-layer gradients."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.case import Case, Rival, SpeedSetting
from labelbench_plus.algorithms.badge import badge


def textbook(setting: SpeedSetting) -> np.ndarray:
    """The plain loop over factorised gradients; the loop over explicit ones needs N K d numbers."""
    rng = np.random.default_rng(setting.seed)
    h = setting.pool.features.numpy()
    error = setting.pool.probabilities.numpy().copy()
    error[np.arange(len(h)), error.argmax(axis=1)] -= 1
    norms = np.einsum("ij,ij->i", error, error) * np.einsum("ij,ij->i", h, h)
    picks = [int(norms.argmax())]
    distance = np.full(len(h), np.inf, dtype=np.float32)
    while True:
        last = picks[-1]
        squared = norms + norms[last] - 2 * (error @ error[last]) * (h @ h[last])
        np.minimum(distance, np.maximum(squared, 0), out=distance)
        distance[last] = 0
        if len(picks) == setting.batch:
            return np.array(picks)
        mass = distance.astype(np.float64)
        picks.append(int(rng.choice(len(h), p=mass / mass.sum())))


def potential(setting: SpeedSetting, picks: np.ndarray) -> float:
    """Sum over the pool of the squared distance to the nearest pick, in gradient space, by an own plain loop."""
    h = setting.pool.features.double()
    error = setting.pool.probabilities.double()
    error[torch.arange(len(h)), error.argmax(dim=1)] -= 1
    norms = error.square().sum(dim=1) * h.square().sum(dim=1)
    chosen = torch.as_tensor(picks)
    total = 0.0
    for rows in torch.arange(len(h)).split(1024):
        products = (error[rows] @ error[chosen].T) * (h[rows] @ h[chosen].T)
        squared = norms[rows, None] + norms[chosen] - 2 * products
        total += float(squared.amin(dim=1).clamp(min=0).sum())
    return total


def scikit_activeml(setting: SpeedSetting) -> np.ndarray:
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.pool import Badge

    probabilities = setting.pool.probabilities.numpy()

    class Given(SkactivemlClassifier):
        """Answers with the given predictions."""

        def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Given:
            return self

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return probabilities

    x = setting.pool.features.numpy()
    unlabelled = np.full(len(x), np.nan)
    classes = np.arange(probabilities.shape[1])
    return Badge(random_state=setting.seed).query(
        x, unlabelled, Given(classes=classes), fit_clf=False, batch_size=setting.batch
    )


CASE = Case(
    ours=lambda s: badge(s.pool.probabilities, s.pool.features, s.batch, np.random.default_rng(s.seed)),
    textbook=textbook,
    quality=potential,
    quality_name="potential, sum of D² (less is better)",
    same_picks=False,
    axes=frozenset({"d", "K", "B"}),
    # Explicit gradients: N K d numbers in double precision, three times over.
    rivals={"scikit-activeml": Rival(scikit_activeml, largest=2000, work=200_000)},
)
