"""Multi-label classification of a pool on frozen features: any number of K labels may be true of an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from labelbench_plus.answers import LABEL_SET
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.metrics import Metric, check_metrics, metrics, score_all
from labelbench_plus.features.columns import Columns, column_providers, columns_of
from labelbench_plus.features.encoded import encoded, load
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems._of_dataset import OfDataset
from labelbench_plus.seeding import Streams
from labelbench_plus.view import PoolView, Providers

if TYPE_CHECKING:
    from torch import Tensor

METRICS = ("mean_average_precision", "multilabel_macro_f1", "multilabel_micro_f1")


@dataclass(frozen=True)
class LabelledItems:
    """Features (n, d) and labels (n, K), 0 or 1."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class MultilabelData:
    """What a multi-label trainer is shown.

    Attributes
    ----------
    labelled: what was bought, in order of purchase.
    pool_features: (N, d) features of the whole pool, labelled or not.
    validation: free labelled items, for trainers that declare it; else None.
    num_labels: K. A label may not have occurred yet.
    """

    labelled: LabelledItems
    pool_features: Tensor
    validation: LabelledItems | None
    num_labels: int


@problems.register("multilabel")
@dataclass(frozen=True)
class Multilabel(OfDataset):
    """Learn which of K labels are true of an item. A query buys an item's whole label set, for one unit unless priced.

    Features are scaled as those of `classification`. What was bought is recorded by the number of its label set among
    the different label sets of the pool, in lexicographic order.

    Parameters
    ----------
    dataset, encoder: where the items come from, and how they become features.
    metrics: scores on the test set; the first one ranks.
    """

    title = "Multi-label classification"
    query = "pool"
    task = "multilabel"
    unit = "label sets"

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")]
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, METRICS))
    )

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        mosaics = {"name": "mosaics", "dataset": "digits", "pool": 140, "validation": 20, "test": 200}
        return {"dataset": mosaics, "encoder": "pixels"}

    def capacity(self) -> float:
        return float(_truth(self, self.dataset.state()).prices.sum())

    def dearest(self) -> float:
        return float(_truth(self, self.dataset.state()).prices.max())

    def validation_labels(self) -> int:
        return len(_truth(self, self.dataset.state()).validation)

    def open(self, place: Place, streams: Streams) -> MultilabelInstance:
        truth = _truth(self, self.dataset.state())
        features = encoded(self.dataset, self.encoder, place.cache).parts
        return MultilabelInstance(truth, features, load(self.dataset).columns, self.metrics, place.device)


@dataclass(frozen=True)
class _Truth:
    """What is hidden.

    Attributes
    ----------
    sets: (S, K) the different label sets of the pool.
    answers: (N,) which of them each pool item has.
    prices: (N,) what each costs.
    validation, test: (n, K) labels of these parts.
    """

    sets: np.ndarray
    answers: np.ndarray
    prices: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@lru_cache(maxsize=4)
def _truth(problem: Multilabel, state: tuple[int, ...]) -> _Truth:
    """The labels, checked.

    Raises
    ------
    ValueError
        The data set is not multi-label, or the metrics are for another task.
    """
    data = load(problem.dataset)
    for part, split in (("pool", data.pool), ("validation", data.validation), ("test", data.test)):
        if split.labels.ndim != 2:
            raise ValueError(
                f"data set {label(problem.dataset)!r} gives one class to an item; "
                "it is for the problem 'classification'"
            )
        expected = (len(split.inputs), len(data.class_names))
        if split.labels.shape != expected or not np.isin(split.labels, (0, 1)).all():
            raise ValueError(f"data set {label(problem.dataset)!r}: labels of its {part} must be {expected} of 0 and 1")
    check_metrics(problem.metrics, problem.task, has_groups=False)
    problem.check_encoder()
    sets, answers = np.unique(data.pool.labels, axis=0, return_inverse=True)
    prices = np.ones(len(answers)) if data.pool_prices is None else data.pool_prices
    return _Truth(sets, answers.reshape(-1).astype(np.int64), prices, data.validation.labels, data.test.labels)


class MultilabelInstance:
    """A multi-label problem with its data loaded."""

    def __init__(
        self,
        truth: _Truth,
        features: dict[str, np.ndarray],
        columns: Mapping[str, np.ndarray],
        scores: tuple[Metric, ...],
        device: str,
    ) -> None:
        import torch

        def items(part: str, labels: np.ndarray) -> LabelledItems:
            return LabelledItems(torch.as_tensor(features[part], device=device), torch.as_tensor(labels, device=device))

        self.oracle = PoolOracle(truth.answers, truth.prices, kind=LABEL_SET)
        self._sets = torch.as_tensor(truth.sets, dtype=torch.long, device=device)
        self._pool, self._prices = torch.as_tensor(features["pool"], device=device), truth.prices
        self._validation, self._test = items("validation", truth.validation), items("test", truth.test)
        self._columns = columns_of(columns, np.arange(len(truth.answers)), device)
        self._metrics = scores

    def _bought(self, ledger: Ledger) -> tuple[Tensor, Tensor]:
        """Items (m,) that were answered and their labels (m, K)."""
        import torch

        items = torch.as_tensor(ledger.answered_items, dtype=torch.long, device=self._pool.device)
        return items, self._sets[torch.as_tensor(ledger.answered_answers, dtype=torch.long, device=self._pool.device)]

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        import torch

        labelled, labels = self._bought(ledger)
        device, can_be_bought = self._pool.device, self.oracle.candidates(ledger)
        candidates = torch.as_tensor(can_be_bought, device=device)
        return PoolView(
            needs,
            _providers(needs, self._pool, self._columns, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            labels=labels,
            prices=torch.as_tensor(self._prices[can_be_bought], device=device),
            num_classes=self._sets.shape[1],
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> MultilabelData:
        items, labels = self._bought(ledger)
        validation = self._validation if with_validation else None
        return MultilabelData(LabelledItems(self._pool[items], labels), self._pool, validation, self._sets.shape[1])

    def evaluate(self, model: Any) -> dict[str, float]:
        return score_all(self._metrics, model.label_probabilities(self._test.features), self._test.labels)

    def denominators(self) -> dict[str, frozenset[int] | None]:
        labels = self._test.labels.cpu().numpy()
        return {metric.name: metric.denominators(labels, None) for metric in self._metrics}


def _providers(
    needs: frozenset[str], pool: Tensor, columns: Columns, candidates: Tensor, labelled: Tensor, model: Any | None
) -> Providers:
    """The functions behind a view. A free function: its closures can reach features and model, no labels."""
    return {
        **providers_of_model(needs, model, pool.__getitem__, candidates, labelled),
        **column_providers(columns, candidates, labelled),
        "features": ("features", lambda: pool[candidates]),
        "labelled_features": ("features", lambda: pool[labelled]),
    }
