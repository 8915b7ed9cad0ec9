"""Multi-label classification of a pool on frozen features: any number of K labels may be true of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from labelbench_plus.answers import LABEL_SET
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, annotators
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.metrics import Metric, check_metrics, metrics, score_all
from labelbench_plus.features.columns import Columns, column_providers, columns_of
from labelbench_plus.features.encoded import encoded, load
from labelbench_plus.oracle import ItemOracle, PoolOracle
from labelbench_plus.plugins import From, Since, label
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems._asked import OfAskedDataset, given, unlabelled
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
class Multilabel(OfAskedDataset):
    """Learn which of K labels are true of an item. A query buys an item's whole label set, for one unit unless priced.

    Features are scaled as those of `classification`. What was bought is recorded by the number of its label set among
    the different label sets of the pool, in lexicographic order; what an annotator said, by the numbers of its labels.

    Parameters
    ----------
    dataset, encoder: where the items come from, and how they become features.
    metrics: scores on the test set; the first one ranks.
    annotator: who is asked for labels; the data by default. Others can be asked about images and texts, and are
        required for items without labels in the data. Without labelled test examples, nothing is scored.
    """

    title = "Multi-label classification"
    query = "pool"
    task = "multilabel"
    unit = "label sets"
    several = True

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")]
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, METRICS))
    )
    annotator: Annotated[Annotator, From("annotators"), Since("0.1")] = field(
        default_factory=partial(annotators.build, "stored")
    )

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        mosaics = {"name": "mosaics", "dataset": "digits", "pool": 140, "validation": 20, "test": 200}
        return {"dataset": mosaics, "encoder": "pixels"}

    def capacity(self) -> float:
        truth = _truth(self, self.dataset.state())
        return float(np.delete(truth.prices, given(truth.pool)).sum())

    def max_price(self) -> float:
        return float(_truth(self, self.dataset.state()).prices.max())

    def validation_labels(self) -> int:
        return len(_truth(self, self.dataset.state()).validation)

    def open(self, place: Place, streams: Streams) -> MultilabelInstance:
        instance = self.open_to_check(place, streams)
        instance.features  # noqa: B018 they are kept
        return instance

    def open_to_check(self, place: Place, streams: Streams) -> MultilabelInstance:
        truth, data = _truth(self, self.dataset.state()), load(self.dataset)
        oracle: ItemOracle
        if self.asks_data:
            sets, answers = np.unique(truth.pool, axis=0, return_inverse=True)
            oracle, read = PoolOracle(answers.reshape(-1), truth.prices, kind=LABEL_SET), sets.__getitem__
        else:
            oracle = self.asking(place, truth.prices, data.class_names, truth.pool, np.arange(len(truth.pool)))
            read = partial(_as_rows, classes=len(data.class_names))

        def features() -> dict[str, np.ndarray]:
            return encoded(self.dataset, self.encoder, place.cache).parts

        return MultilabelInstance(truth, oracle, read, features, data.columns, self.metrics, place.device)


@dataclass(frozen=True)
class _Truth:
    """What is hidden.

    Attributes
    ----------
    pool, validation, test: (n, K) labels of these parts.
    prices: (N,) what each item of the pool costs.
    """

    pool: np.ndarray
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
        known = split.labels[~unlabelled(split.labels)] if part == "pool" else split.labels
        if split.labels.shape != expected or not np.isin(known, (0, 1)).all():
            raise ValueError(f"data set {label(problem.dataset)!r}: labels of its {part} must be {expected} of 0 and 1")
    check_metrics(problem.metrics, problem.task, has_groups=False)
    problem.check_encoder()
    problem.check_annotator()
    prices = np.ones(len(data.pool.labels)) if data.pool_prices is None else data.pool_prices
    return _Truth(data.pool.labels, prices, data.validation.labels, data.test.labels)


def _as_rows(answers: np.ndarray, classes: int) -> np.ndarray:
    """(m, K) 0 or 1, from the numbers (m,) of the labels that are true."""
    rows = np.zeros((len(answers), classes), dtype=np.int64)
    for row, numbers in zip(rows, answers.tolist(), strict=True):
        row[list(numbers)] = 1
    return rows


class MultilabelInstance:
    """A multi-label problem with its labels loaded; features are when they are first asked for.

    Parameters
    ----------
    read: the labels (m, K) that answers (m,) are.
    """

    def __init__(
        self,
        truth: _Truth,
        oracle: ItemOracle,
        read: Callable[[np.ndarray], np.ndarray],
        features: Callable[[], dict[str, np.ndarray]],
        columns: Mapping[str, np.ndarray],
        scores: tuple[Metric, ...],
        device: str,
    ) -> None:
        self.oracle, self._read, self._features, self._device = oracle, read, features, device
        self._given = given(truth.pool)
        self._handed, self._prices = truth.pool[self._given], truth.prices
        self._labels = {"validation": truth.validation, "test": truth.test}
        self._num_labels = truth.pool.shape[1]
        self._columns = columns_of(columns, np.arange(len(truth.pool)), device)
        self._metrics = scores

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """(n, d) by part."""
        import torch

        return {part: torch.as_tensor(values, device=self._device) for part, values in self._features().items()}

    @property
    def _pool(self) -> Tensor:
        return self.features["pool"]

    @cached_property
    def _validation(self) -> LabelledItems:
        return self._items("validation")

    @cached_property
    def _test(self) -> LabelledItems:
        return self._items("test")

    def _items(self, part: str) -> LabelledItems:
        import torch

        return LabelledItems(self.features[part], torch.as_tensor(self._labels[part], device=self._device))

    def _known(self, ledger: Ledger) -> tuple[Tensor, Tensor]:
        """Items (m,) whose labels are known, those that everybody was handed first, and their labels (m, K)."""
        import torch

        items = np.concatenate([self._given, ledger.answered_items.astype(np.int64)])
        bought = self._read(ledger.answered_answers) if len(ledger.answered_items) else self._handed[:0]
        labels = np.concatenate([self._handed, bought])
        return (
            torch.as_tensor(items, device=self._device),
            torch.as_tensor(labels, dtype=torch.long, device=self._device),
        )

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        import torch

        labelled, labels = self._known(ledger)
        device, can_be_bought = self._device, self.oracle.candidates(ledger)
        candidates = torch.as_tensor(can_be_bought, device=device)
        return PoolView(
            needs,
            _providers(needs, self._pool, self._columns, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            labels=labels,
            prices=torch.as_tensor(self._prices[can_be_bought], device=device),
            num_classes=self._num_labels,
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> MultilabelData:
        items, labels = self._known(ledger)
        validation = self._validation if with_validation else None
        return MultilabelData(LabelledItems(self._pool[items], labels), self._pool, validation, self._num_labels)

    def evaluate(self, model: Any) -> dict[str, float]:
        if not len(self._test.labels):
            return {}
        return score_all(self._metrics, model.label_probabilities(self._test.features), self._test.labels)

    def denominators(self) -> dict[str, frozenset[int] | None]:
        return {metric.name: metric.denominators(self._labels["test"], None) for metric in self._metrics}


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
