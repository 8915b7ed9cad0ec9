"""Regression of real-valued labels of a pool, on frozen features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np

from labelbench_plus.answers import FLOATS, REAL
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.conditions import Condition, Part, Setting, drawn, lasting
from labelbench_plus.contracts.datasets import Dataset, LabelledData
from labelbench_plus.contracts.encoders import Encoder, encoders
from labelbench_plus.contracts.metrics import Metric, check_metrics, metrics, score_all
from labelbench_plus.contracts.scores import UnusableScore
from labelbench_plus.features.columns import Columns, column_providers, columns_of
from labelbench_plus.features.divided import moments
from labelbench_plus.features.encoded import PARTS, encoded, load
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems._of_dataset import OfDataset
from labelbench_plus.seeding import Streams
from labelbench_plus.view import ItemView, Providers

if TYPE_CHECKING:
    from torch import Tensor

METRICS = (
    *("rmse", "mae", "r2", "absolute_error_95", "absolute_error_99", "largest_error"),
    *("gaussian_nll", "coverage_90"),
)
PER_SD = "_per_sd"


@dataclass(frozen=True)
class Measurements:
    """Features (n, d) float32, values (n,) float64, and which rows (n,) of their part they are."""

    features: Tensor
    values: Tensor
    rows: Tensor


@dataclass(frozen=True)
class RegressionData:
    """What a regression trainer is shown.

    Attributes
    ----------
    labelled: what was bought, in order of purchase, in the label's own unit.
    pool_features: (N, d) features of the whole pool, labelled or not.
    validation: free labelled examples, for trainers that declare it; else None.
    """

    labelled: Measurements
    pool_features: Tensor
    validation: Measurements | None


class RegressionModel(Protocol):
    """What the evaluation asks of a model, and how its trainer offers more.

    A model whose trainer provides "variance" has a method `variance`, (n, d) features to (n,): how unsure it is of
    its predictions. If it also knows how far labels lie around what it would predict with all the labels in the world,
    it says so by an attribute `noise`, that variance: without, labels are taken to have none beyond `variance`.
    """

    def predictions(self, features: Tensor) -> Tensor:
        """(n,) what the labels of (n, d) features are expected to be, in their own unit."""


@problems.register("regression")
@dataclass(frozen=True)
class Regression(OfDataset):
    """Learn to predict a real number. A label costs one unit of budget unless the data or a condition sets prices.

    Each feature is shifted and divided so that it has mean 0 and variance 1 on the pool. Labels stay in their own unit,
    and so do scores; those in the label's unit are there once more as `NAME_per_sd`, divided by the standard deviation
    of the whole pool's labels, which nobody but the evaluation knows. Scores that need a variance are there if the
    trainer provides one.

    Parameters
    ----------
    dataset, encoder: where the examples come from, and how they become features.
    conditions: what makes it harder, applied in order: first what shapes the pool, then what each run draws.
    metrics: scores on the test set; the first one ranks.
    resplit: whether each seed divides all examples anew into pool, validation and test part of the same sizes, as is
        usual for small tables. If not, all seeds have the data set's own parts.
    """

    title = "Regression"
    query = "pool"
    task = "regression"

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")] = field(default_factory=lambda: encoders.build("identity"))
    conditions: tuple[Annotated[Condition, From("conditions")], ...] = ()
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, METRICS))
    )
    resplit: bool = False

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"dataset": {"name": "friedman", "pool": 140, "validation": 20, "test": 200}}

    def capacity(self) -> float:
        return float(_lasting(self, self.dataset.state()).prices.sum())

    def max_price(self) -> float:
        return float(_lasting(self, self.dataset.state()).prices.max(initial=0.0))

    def validation_labels(self) -> int:
        return len(_lasting(self, self.dataset.state()).validation.labels)

    def averaged_metric(self) -> str:
        return f"{self.metrics[0].name}{PER_SD}" if self.metrics[0].in_label_unit else ""

    def facets(self) -> dict[str, str]:
        return {**super().facets(), "scores": "in the label's unit"}

    def open(self, place: Place, streams: Streams) -> RegressionInstance:
        instance = self.open_to_check(place, streams)
        instance.read_features()
        return instance

    def open_to_check(self, place: Place, streams: Streams) -> RegressionInstance:
        rows = Rows(self.dataset, self.encoder, place.cache)

        def read(part: str, wanted: np.ndarray) -> np.ndarray:
            return rows.features[wanted]

        setting = drawn(self._of_seed(streams), self.conditions, read, streams)
        return RegressionInstance(setting, rows, load(self.dataset).columns, self.metrics, place.device)

    def _of_seed(self, streams: Streams) -> Setting:
        """The setting before what each run draws, of this seed's parts."""
        if not self.resplit:
            return _lasting(self, self.dataset.state())
        data = load(self.dataset)
        if data.columns or data.pool_prices is not None:
            public = ", ".join(sorted({*data.columns, *(["prices"] if data.pool_prices is not None else [])}))
            raise ValueError(
                f"resplit: data set {label(self.dataset)!r} has {public} of its pool's examples alone, so no others "
                "can come into the pool"
            )
        order = streams.rng("resplit").permutation(sum(len(getattr(data, part).labels) for part in PARTS))
        return lasting(_plain(data, order), self.conditions, self.task)


@dataclass(frozen=True)
class Rows:
    """All examples of a data set as features: its pool, then its validation part, then its test part."""

    dataset: Dataset
    encoder: Encoder
    cache: Path

    @cached_property
    def features(self) -> np.ndarray:
        """(n, d) float32."""
        parts = encoded(self.dataset, self.encoder, self.cache).parts
        return np.concatenate([parts[part] for part in PARTS])


class RegressionInstance:
    """A regression problem with its labels loaded; features are when they are first asked for."""

    def __init__(
        self,
        setting: Setting,
        rows: Rows,
        columns: Mapping[str, np.ndarray],
        scores: tuple[Metric, ...],
        device: str,
    ) -> None:
        self.oracle = PoolOracle(setting.answers, setting.prices, kind=REAL)
        self._setting, self._rows, self._metrics, self._device = setting, rows, scores, device
        self._columns = columns_of(columns, setting.pool.rows, device)
        self._deviation = _deviation(setting.pool.labels)

    def read_features(self) -> None:
        """Read or compute all features now, so that no round of a run is charged for it."""
        self._features  # noqa: B018 it is kept

    @cached_property
    def _features(self) -> dict[str, Tensor]:
        """(n, d) float32 of each part, standardised on the pool."""
        import torch

        mean, deviation = moments(self._rows.features[self._setting.pool.rows])
        found = {}
        for part in PARTS:
            raw = self._rows.features[getattr(self._setting, part).rows]
            found[part] = torch.as_tensor(((raw - mean) / deviation).astype(np.float32), device=self._device)
        return found

    @cached_property
    def _validation(self) -> Measurements:
        return self._measured("validation", self._setting.validation)

    @cached_property
    def _test(self) -> Measurements:
        return self._measured("test", self._setting.test)

    def _measured(self, name: str, part: Part) -> Measurements:
        import torch

        values = torch.as_tensor(part.labels.astype(np.float64), device=self._device)
        return Measurements(self._features[name], values, torch.arange(len(values), device=self._device))

    def _bought(self, ledger: Ledger) -> tuple[Tensor, Tensor]:
        """Items (m,) that were answered, and their values (m,) float64."""
        import torch

        items = torch.as_tensor(ledger.answered_items, dtype=torch.long, device=self._device)
        return items, torch.as_tensor(ledger.answered_answers.astype(np.float64), device=self._device)

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> ItemView:
        import torch

        labelled, values = self._bought(ledger)
        device, can_be_bought = self._device, self.oracle.candidates(ledger)
        candidates = torch.as_tensor(can_be_bought, device=device)
        pool = self._features["pool"]
        return ItemView(
            needs,
            _providers(needs, pool, self._columns, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            values,
            prices=torch.as_tensor(self._setting.prices[can_be_bought], device=device),
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> RegressionData:
        items, values = self._bought(ledger)
        pool = self._features["pool"]
        validation = self._validation if with_validation else None
        return RegressionData(Measurements(pool[items], values, items), pool, validation)

    def evaluate(self, model: Any) -> dict[str, float]:
        scores: dict[str, float] = {}
        for reads, predictions in self._predicted(model).items():
            asked = [metric for metric in self._metrics if metric.reads == reads]
            found = score_all(asked, predictions, self._test.values)
            scores |= found
            scores |= {f"{m.name}{PER_SD}": found[m.name] / self._deviation for m in asked if m.in_label_unit}
        return scores

    def denominators(self) -> dict[str, frozenset[int] | None]:
        return {metric.name: metric.denominators(self._setting.test.labels, None) for metric in self._metrics}

    def _predicted(self, model: Any) -> dict[str, Tensor]:
        """What a model says of the test set, by what metrics read."""
        import torch

        def said(name: str) -> Tensor:
            found = torch.as_tensor(getattr(model, name)(test), dtype=torch.float64, device=test.device)
            if found.shape != (len(test),):
                raise UnusableScore(f"{name} of {len(test)} test items: expected (n,), got {tuple(found.shape)}")
            return found

        test = self._test.features
        found = {"values": said("predictions")}
        if callable(getattr(model, "variance", None)):
            around = said("variance") + getattr(model, "noise", 0.0)
            found["intervals"] = torch.stack([found["values"], around], dim=1)
        return found


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


@lru_cache(maxsize=4)
def _lasting(problem: Regression, state: tuple[int, ...]) -> Setting:
    """The problem under the conditions that are the same for every run, checked.

    Raises
    ------
    ValueError
        The data set's labels are no finite real values, or metrics or conditions are for another task.
    """
    data = load(problem.dataset)
    named = f"data set {label(problem.dataset)!r}"
    for part in PARTS:
        labels = getattr(data, part).labels
        if labels.dtype.kind != "f":
            if labels.ndim > 1:
                raise ValueError(f"{named} is multi-label; it is for the problem 'multilabel'")
            raise ValueError(
                f"{named} has classes; it is for the problem 'classification'. If its labels are whole numbers to be "
                "predicted, they must come as floats (of a table: target: values)"
            )
        if labels.ndim != 1 or labels.dtype.name not in FLOATS:
            raise ValueError(
                f"{named}: labels of its {part} must be (n,) of {', '.join(FLOATS)}, got {labels.dtype} {labels.shape}"
            )
        if len(wrong := np.flatnonzero(~np.isfinite(labels))):
            raise ValueError(f"{named}: labels of its {part} must be finite, item {wrong[0]} is {labels[wrong[0]]}")
    check_metrics(problem.metrics, problem.task, has_groups=False)
    if (first := problem.metrics[0]).reads != "values":
        raise ValueError(f"metrics: {first.name!r} cannot rank, as not every trainer gives what it reads; rmse can")
    size = sum(len(getattr(data, part).labels) for part in PARTS)
    setting = lasting(_plain(data, np.arange(size)), problem.conditions, problem.task)
    if not _deviation(setting.pool.labels) > 0:
        raise ValueError(f"{named}: all labels of its pool are {setting.pool.labels[:1]}, there is nothing to learn")
    problem.check_encoder()
    return setting


def _plain(data: LabelledData, order: np.ndarray) -> Setting:
    """The problem without conditions: parts of the data set's sizes, of its examples (n,) in this order."""
    labels = np.concatenate([getattr(data, part).labels for part in PARTS])
    ends = np.cumsum([len(getattr(data, part).labels) for part in PARTS])
    pool, validation, test = (Part(rows, labels[rows]) for rows in np.split(order, ends[:-1]))
    prices = np.ones(len(pool.rows)) if data.pool_prices is None else data.pool_prices
    return Setting(pool, pool.labels, prices, validation, test, ())


def _deviation(labels: np.ndarray) -> float:
    return float(labels.astype(np.float64).std())
