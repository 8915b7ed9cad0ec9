"""The synthetic pools that speed figures are measured on, functions of their arguments and seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CLASSES, SUBCLUSTERS, INTRINSIC = 100, 5, 32
NOISE = 0.02  # share of a row's norm that leaves the latent subspace, as in features of a real encoder


@dataclass(frozen=True)
class SpeedPool:
    """A pool of unit-norm features with the predictions of an imperfect classifier, and a labelled set.

    features: (N, d) float32, unit rows.
    probabilities: (N, K) float32, rows sum to one.
    labels: (N,) int64, the class that generated the row, in 0 … K − 1.
    labelled: (L, d) float32, features of the labelled points; not part of the pool.
    labelled_classes: (L,) int64, their classes.
    """

    features: Tensor
    probabilities: Tensor
    labels: Tensor
    labelled: Tensor
    labelled_classes: Tensor

    def members(self, count: int = 8) -> Tensor:
        """Predictions of an ensemble, (count, N, K) float32: the pool's own under independent noise on the logits."""
        generator = torch.Generator().manual_seed(count)
        logits = self.probabilities.clamp(min=1e-12).log()
        noise = torch.randn(count, *logits.shape, generator=generator)
        return (noise + logits).softmax(dim=-1)


def flat_pool(n: int, d: int = 512, classes: int = CLASSES, labelled: int = 500, seed: int = 0) -> SpeedPool:
    """A cloud without clusters, of intrinsic dimension d, on which laziness gains least; arguments as `speed_pool`.

    Standard normal features (not of unit norm), probabilities and classes that have nothing to do with them.
    """
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n, classes), dtype=np.float32)
    return SpeedPool(
        features=torch.from_numpy(rng.standard_normal((n, d), dtype=np.float32)),
        probabilities=torch.from_numpy(logits).softmax(dim=1),
        labels=torch.from_numpy(rng.integers(classes, size=n)),
        labelled=torch.from_numpy(rng.standard_normal((labelled, d), dtype=np.float32)),
        labelled_classes=torch.from_numpy(rng.integers(classes, size=labelled)),
    )


def speed_pool(n: int, d: int = 512, classes: int = CLASSES, labelled: int = 500, seed: int = 0) -> SpeedPool:
    """Draw `n` pool points and `labelled` labelled ones from a clustered, low-dimensional mixture.

    `classes` classes of 5 sub-clusters each live in 32 latent dimensions, which are mapped isometrically into d
    and perturbed a little in all directions; rows are scaled to unit norm. Probabilities are the softmax of the
    similarity to the class means under noise: right for most points, unsure between sub-clusters that are close.

    Parameters
    ----------
    n: pool size N.
    d: number of features, at least 1. Below 32 the intrinsic dimension is d.
    classes: number of classes K, at least 2.
    labelled: size L of the labelled set, possibly zero.
    seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    latent = min(INTRINSIC, d)
    means = rng.standard_normal((classes, latent))
    subclusters = means[:, None, :] + 0.6 * rng.standard_normal((classes, SUBCLUSTERS, latent))
    basis = np.linalg.qr(rng.standard_normal((d, latent)))[0].T

    total = n + labelled
    label = rng.integers(classes, size=total)
    centre = subclusters[label, rng.integers(SUBCLUSTERS, size=total)]
    hidden = centre + 0.4 * rng.standard_normal((total, latent))
    norm = np.linalg.norm(hidden, axis=1, keepdims=True)
    features = ((hidden / norm) @ basis).astype(np.float32)
    features += np.float32(NOISE / np.sqrt(d)) * rng.standard_normal((total, d), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)

    scale = 12.0 / np.sqrt(latent)
    logits = scale * (hidden[:n] / norm[:n]) @ means.T + rng.standard_normal((n, classes))
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return SpeedPool(
        features=torch.from_numpy(features[:n]),
        probabilities=torch.from_numpy(probabilities.astype(np.float32)),
        labels=torch.from_numpy(label[:n]),
        labelled=torch.from_numpy(features[n:]),
        labelled_classes=torch.from_numpy(label[n:]),
    )


def unkind_pool(n: int, d: int = 512, classes: int = CLASSES, labelled: int = 500, seed: int = 0) -> SpeedPool:
    """Draw from a mixture that no shortcut likes; arguments as `speed_pool`.

    Class k is drawn in proportion to 1 / (k + 1). A row is its class mean plus Gaussian noise whose standard deviation
    falls as 1 / sqrt(j) along direction j down to a floor of 0.1, so that no few directions carry the distances; both
    are scaled by a row's own Student-t factor (3 degrees of freedom, in absolute value), so that norms have heavy
    tails. One row in ten is a copy of another. Rows are not of unit norm. Probabilities are as of `speed_pool`.
    """
    rng = np.random.default_rng(seed)
    spread = np.maximum(1 / np.sqrt(np.arange(1, d + 1)), 0.1).astype(np.float32)
    means = rng.standard_normal((classes, d), dtype=np.float32) * spread
    total = n + labelled
    share = 1 / np.arange(1, classes + 1)
    label = rng.choice(classes, size=total, p=share / share.sum())
    features = rng.standard_normal((total, d), dtype=np.float32) * spread
    features += means[label]
    features *= np.abs(rng.standard_t(3, size=(total, 1))).astype(np.float32)
    copies = rng.permutation(total)[: total // 10]
    originals = rng.integers(total, size=len(copies))
    features[copies], label[copies] = features[originals], label[originals]

    direction = features[:n] / np.linalg.norm(features[:n], axis=1, keepdims=True)
    logits = 12 * direction @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    logits = torch.from_numpy(logits + rng.standard_normal((n, classes), dtype=np.float32))
    return SpeedPool(
        features=torch.from_numpy(features[:n]),
        probabilities=logits.softmax(dim=1),
        labels=torch.from_numpy(label[:n]),
        labelled=torch.from_numpy(features[n:]),
        labelled_classes=torch.from_numpy(label[n:]),
    )


POOLS = {"kind": speed_pool, "flat": flat_pool, "unkind": unkind_pool}
