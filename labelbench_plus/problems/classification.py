"""Single-label classification of a pool on frozen features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from labelbench_plus.budget import Ledger
from labelbench_plus.data.feature_cache import cached
from labelbench_plus.datasets import Dataset, LabelledData
from labelbench_plus.encoders import Encoder
from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.plugins import From, describe
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.view import PoolView

FEATURES_VERSION = 1  # raised when the computation between encoder and cache changes


@dataclass(frozen=True)
class Examples:
    """Features (n, d) and labels (n,)."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ClassificationData:
    """What a classification trainer is shown.

    Attributes
    ----------
    labelled: what was bought, in order of purchase.
    pool_features: (N, d) features of the whole pool, labelled or not.
    validation: free labelled examples, for trainers that declare it; else None.
    num_classes: K. A class may not have been bought yet.
    """

    labelled: Examples
    pool_features: Tensor
    validation: Examples | None
    num_classes: int


@problems.register("classification")
@dataclass(frozen=True)
class Classification(Problem):
    """Learn to tell K classes apart; every label costs one unit.

    Features are shifted by the pool's mean and divided by one number, the root of the pool's average variance, so
    that penalties mean the same for every encoder while angles and ratios of distances stay as the encoder made them.

    Parameters
    ----------
    dataset, encoder: where the examples come from, and how they become features.
    metrics: scores on the test set; the first one ranks.
    """

    query = "pool"
    task = "classification"
    provides = frozenset({"features"})

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")]
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")))
    )

    def fingerprint(self) -> str:
        parts = (self.dataset.fingerprint(), self.encoder.fingerprint(), str(FEATURES_VERSION))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def capacity(self) -> float:
        return float(len(_load(self.dataset).pool.labels))

    def validation_labels(self) -> int:
        return len(_load(self.dataset).validation.labels)

    def primary_metric(self) -> tuple[str, bool]:
        return self.metrics[0].name, self.metrics[0].higher_is_better

    def open(self, place: Place) -> ClassificationInstance:
        return _open(self, place)


class ClassificationInstance:
    """A classification problem with its data loaded."""

    def __init__(self, data: LabelledData, features: dict[str, np.ndarray], scores: tuple[Metric, ...], device: str):
        def examples(part: str) -> Examples:
            labels = torch.as_tensor(getattr(data, part).labels, dtype=torch.long, device=device)
            return Examples(torch.as_tensor(features[part], device=device), labels)

        self.oracle = PoolOracle(data.pool.labels)
        self._pool = torch.as_tensor(features["pool"], device=device)
        self._validation, self._test = examples("validation"), examples("test")
        self._num_classes, self._metrics = len(data.class_names), scores

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None) -> PoolView:
        bought = ledger.items
        unbought = np.ones(len(self._pool), dtype=bool)
        unbought[bought] = False
        candidates = torch.as_tensor(np.flatnonzero(unbought), device=self._pool.device)
        labelled = torch.as_tensor(bought, device=self._pool.device)
        labels = torch.as_tensor(ledger.answers, dtype=torch.long, device=self._pool.device)
        providers = pool_providers(self._pool, candidates.clone(), labelled.clone(), model)
        return PoolView(needs, providers, candidates, labelled, labels, self._num_classes)

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> ClassificationData:
        items = torch.as_tensor(ledger.items, device=self._pool.device)
        labels = torch.as_tensor(ledger.answers, dtype=torch.long, device=self._pool.device)
        validation = self._validation if with_validation else None
        return ClassificationData(Examples(self._pool[items], labels), self._pool, validation, self._num_classes)

    def evaluate(self, model: Any) -> dict[str, float]:
        probabilities = model.probabilities(self._test.features)
        return {metric.name: metric.score(probabilities, self._test.labels) for metric in self._metrics}


def pool_providers(
    pool: Tensor, candidates: Tensor, labelled: Tensor, model: Any | None
) -> dict[str, tuple[str, Callable[[], Tensor]]]:
    """The functions behind a pool view. A free function: its closures can reach features and model, no labels."""
    providers: dict[str, tuple[str, Callable[[], Tensor]]] = {
        "features": ("features", lambda: pool[candidates]),
        "labelled_features": ("features", lambda: pool[labelled]),
    }
    if model is not None:
        providers |= {
            "probabilities": ("probabilities", lambda: model.probabilities(pool[candidates])),
            "embeddings": ("embeddings", lambda: model.embeddings(pool[candidates])),
            "labelled_embeddings": ("embeddings", lambda: model.embeddings(pool[labelled])),
        }
    return providers


@cache
def _load(dataset: Dataset) -> LabelledData:
    return dataset.load()


@lru_cache(maxsize=2)  # runs of one suite follow each other on the same problem
def _open(problem: Classification, place: Place) -> ClassificationInstance:
    data = _load(problem.dataset)
    key = {
        "features": FEATURES_VERSION,
        "data": problem.dataset.fingerprint(),
        "encoder": describe(problem.encoder, semantic_only=True),
        "weights": problem.encoder.fingerprint(),
    }

    def compute() -> dict[str, np.ndarray]:
        encode = problem.encoder.fit(data.pool.inputs)
        encoded = {part: encode(getattr(data, part).inputs) for part in ("pool", "validation", "test")}
        mean = encoded["pool"].mean(axis=0, dtype=np.float64)
        variance = float(encoded["pool"].var(axis=0, dtype=np.float64).mean())
        scale = variance**-0.5 if variance > 0 else 1.0
        return {part: ((values - mean) * scale).astype(np.float32) for part, values in encoded.items()}

    return ClassificationInstance(data, cached(key, compute, place.cache), problem.metrics, place.device)
