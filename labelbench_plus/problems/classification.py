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
from labelbench_plus.conditions import OUTLIER, Condition, Part, Setting
from labelbench_plus.data.feature_cache import cached
from labelbench_plus.datasets import Dataset, LabelledData, Split
from labelbench_plus.encoders import Encoder
from labelbench_plus.metrics import Metric, metrics
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.plugins import From, describe, label
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams
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
    """Learn to tell K classes apart. A label costs one unit unless the data or a condition prices items.

    Features are shifted by the pool's mean and divided by one number, the root of the pool's average variance, so
    that penalties mean the same for every encoder while angles and ratios of distances stay as the encoder made them.

    Parameters
    ----------
    dataset, encoder: where the examples come from, and how they become features.
    conditions: what makes it harder, applied in order: first what shapes the pool, then noise. The encoder is fitted,
        and features are scaled, on the data set's whole pool.
    metrics: scores on the test set; the first one ranks.
    """

    query = "pool"
    task = "classification"

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")]
    conditions: tuple[Annotated[Condition, From("conditions")], ...] = ()
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")))
    )

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"features"}) | self.dataset.provides

    def fingerprint(self) -> str:
        parts = (self.dataset.fingerprint(), self.encoder.fingerprint(), str(FEATURES_VERSION))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def capacity(self) -> float:
        return float(_lasting(self).prices.sum())

    def dearest(self) -> float:
        return float(_lasting(self).prices.max(initial=0.0))

    def validation_labels(self) -> int:
        return len(_lasting(self).validation.labels)

    def primary_metric(self) -> tuple[str, bool]:
        return self.metrics[0].name, self.metrics[0].higher_is_better

    def dataset_name(self) -> str:
        return self.dataset.name

    def facets(self) -> dict[str, str]:
        return {"encoder": label(self.encoder)}

    def open(self, place: Place, streams: Streams) -> ClassificationInstance:
        features, setting = _features(self, place), _lasting(self)
        for number, condition in enumerate(self.conditions):
            if condition.per_run:
                rng = streams.rng(f"condition {number} {condition.name}")
                rows = setting.pool.rows
                setting = condition.apply(setting, lambda: features["pool"][rows], rng)  # noqa: B023 called at once
        return ClassificationInstance(
            setting, features, self.metrics, place.device, _load(self.dataset).pool_token_uncertainty
        )


class ClassificationInstance:
    """A classification problem with its data loaded."""

    def __init__(
        self,
        setting: Setting,
        features: dict[str, np.ndarray],
        scores: tuple[Metric, ...],
        device: str,
        token_uncertainty: np.ndarray | None,
    ) -> None:
        def rows(name: str, part: Part) -> Tensor:
            every = np.array_equal(part.rows, np.arange(len(features[name])))
            return torch.as_tensor(features[name] if every else features[name][part.rows], device=device)

        def examples(name: str, part: Part) -> Examples:
            return Examples(rows(name, part), torch.as_tensor(part.labels, dtype=torch.long, device=device))

        self.oracle = PoolOracle(setting.answers, setting.prices)
        self._pool, self._prices = rows("pool", setting.pool), setting.prices
        self._validation, self._test = examples("validation", setting.validation), examples("test", setting.test)
        self._num_classes, self._metrics = len(setting.class_names), scores
        self._tokens = None
        if token_uncertainty is not None:
            self._tokens = torch.as_tensor(token_uncertainty[setting.pool.rows], device=device)

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        device, bought = self._pool.device, ledger.items
        unbought = np.ones(len(self._pool), dtype=bool)
        unbought[bought] = False
        candidates = torch.as_tensor(np.flatnonzero(unbought), device=device)
        labelled = torch.as_tensor(bought, device=device)
        return PoolView(
            needs,
            pool_providers(self._pool, self._tokens, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            labels=torch.as_tensor(ledger.answers, dtype=torch.long, device=device),
            prices=torch.as_tensor(self._prices[unbought], device=device),
            num_classes=self._num_classes,
            money=money,
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> ClassificationData:
        of_a_class = ledger.answers != OUTLIER  # an outlier was paid for, but teaches none of the classes
        items = torch.as_tensor(ledger.items[of_a_class], device=self._pool.device)
        labels = torch.as_tensor(ledger.answers[of_a_class], dtype=torch.long, device=self._pool.device)
        validation = self._validation if with_validation else None
        return ClassificationData(Examples(self._pool[items], labels), self._pool, validation, self._num_classes)

    def evaluate(self, model: Any) -> dict[str, float]:
        probabilities = model.probabilities(self._test.features)
        return {metric.name: metric.score(probabilities, self._test.labels) for metric in self._metrics}


def pool_providers(
    pool: Tensor, tokens: Tensor | None, candidates: Tensor, labelled: Tensor, model: Any | None
) -> dict[str, tuple[str, Callable[[], Tensor]]]:
    """The functions behind a pool view. A free function: its closures can reach features and model, no labels."""
    providers: dict[str, tuple[str, Callable[[], Tensor]]] = {
        "features": ("features", lambda: pool[candidates]),
        "labelled_features": ("features", lambda: pool[labelled]),
    }
    if tokens is not None:
        providers["token_uncertainty"] = ("token_uncertainty", lambda: tokens[candidates])
    if model is not None:
        providers |= {
            "probabilities": ("probabilities", lambda: model.probabilities(pool[candidates])),
            "labelled_probabilities": ("probabilities", lambda: model.probabilities(pool[labelled])),
            "member_probabilities": ("member_probabilities", lambda: model.member_probabilities(pool[candidates])),
            "embeddings": ("embeddings", lambda: model.embeddings(pool[candidates])),
            "labelled_embeddings": ("embeddings", lambda: model.embeddings(pool[labelled])),
        }
    return providers


@cache
def _load(dataset: Dataset) -> LabelledData:
    return dataset.load()


@lru_cache(maxsize=4)
def _lasting(problem: Classification) -> Setting:
    """The problem under the conditions that are the same for every run."""
    data = _load(problem.dataset)

    def part(split: Split) -> Part:
        return Part(np.arange(len(split.labels)), split.labels)

    prices = np.ones(len(data.pool.labels)) if data.pool_prices is None else data.pool_prices
    setting = Setting(
        part(data.pool), data.pool.labels, prices, part(data.validation), part(data.test), data.class_names
    )
    for number, condition in enumerate(problem.conditions):
        if not condition.per_run:
            if any(earlier.per_run for earlier in problem.conditions[:number]):
                raise ValueError(f"conditions: {condition.name!r} shapes the pool, so it must come before any noise")
            # The seed is fixed and the key names the condition, so that the pool is the same for every run.
            rng = Streams(0).rng(f"condition {number} {condition.name}")
            setting = condition.apply(setting, _no_features, rng)
    return setting


def _no_features() -> np.ndarray:
    raise ValueError("a condition that is the same for every run cannot depend on features")


@lru_cache(maxsize=2)  # runs of one suite follow each other on the same problem
def _features(problem: Classification, place: Place) -> dict[str, np.ndarray]:
    key = {
        "features": FEATURES_VERSION,
        "data": problem.dataset.fingerprint(),
        "encoder": describe(problem.encoder, semantic_only=True),
        "weights": problem.encoder.fingerprint(),
    }

    def compute() -> dict[str, np.ndarray]:
        data = _load(problem.dataset)
        encode = problem.encoder.fit(data.pool.inputs)
        encoded = {part: encode(getattr(data, part).inputs) for part in ("pool", "validation", "test")}
        mean = encoded["pool"].mean(axis=0, dtype=np.float64)
        variance = float(encoded["pool"].var(axis=0, dtype=np.float64).mean())
        scale = variance**-0.5 if variance > 0 else 1.0
        return {part: ((values - mean) * scale).astype(np.float32) for part, values in encoded.items()}

    return cached(key, compute, place.cache)
