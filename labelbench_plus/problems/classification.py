"""Single-label classification of a pool on frozen features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, annotators
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.conditions import OUTLIER, Condition, Part, Setting, drawn, lasting
from labelbench_plus.contracts.datasets import Dataset, LabelledData, Split
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.metrics import Metric, check_metrics, metrics, score_all
from labelbench_plus.contracts.scores import Scored
from labelbench_plus.features.columns import Columns, column_providers, columns_of
from labelbench_plus.features.divided import divided
from labelbench_plus.features.encoded import PARTS, encoded, load
from labelbench_plus.inputs.image_files import has_images
from labelbench_plus.oracle import ItemOracle, PoolOracle
from labelbench_plus.plugins import From, Since, label
from labelbench_plus.problems import Place, problems
from labelbench_plus.problems._asked import OfAskedDataset, given, unlabelled
from labelbench_plus.problems._redrawn import check_redrawn, redrawn
from labelbench_plus.seeding import Streams
from labelbench_plus.view import PoolView, Providers

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.features.training_inputs import FeatureRows, Images, Store, TrainerInputs


@dataclass(frozen=True)
class Examples:
    """Features (n, d) and labels (n,), and which rows (n,) of their part they are: where their images lie."""

    features: Tensor
    labels: Tensor
    rows: Tensor


@dataclass(frozen=True)
class ClassificationData:
    """What a classification trainer is shown.

    Attributes
    ----------
    labelled: what was bought, in order of purchase.
    pool_features: (N, d) features of the whole pool, labelled or not.
    validation: free labelled examples, for trainers that declare it; else None.
    num_classes: K. A class may not have been bought yet.
    inputs: the images behind the features, for trainers of networks; None where there is nothing but features.
    outliers: (o,) rows of the pool that were bought and are of none of the classes.
    """

    labelled: Examples
    pool_features: Tensor
    validation: Examples | None
    num_classes: int
    inputs: TrainerInputs | None = None
    outliers: Tensor | None = None

    def read_by(self, model: Any, rows: Tensor) -> Tensor | Images:
        """What a trained model reads of some rows (n,) of the pool."""
        if reads_images(model):
            if self.inputs is None:
                raise ValueError("there are no images behind these features")
            return self.inputs.pool_images(model.image_size).at(rows)
        return self.pool_features[rows.to(self.pool_features.device)]


@problems.register("classification")
@dataclass(frozen=True)
class Classification(OfAskedDataset):
    """Learn to distinguish K classes. A label costs one unit unless the data or a condition sets prices.

    Features are shifted by the pool's mean and divided by one number, the root of the pool's average variance, so
    that penalties mean the same for every encoder while angles and ratios of distances stay as the encoder made them.

    Parameters
    ----------
    dataset, encoder: where the examples come from, and how they become features.
    conditions: what makes it harder, applied in order: first what shapes the pool, then noise. The encoder is fitted,
        and features are scaled, on the data set's whole pool.
    metrics: scores on the test set; the first one ranks.
    annotator: who is asked for labels; the data by default. Others can be asked about images and texts, and are
        required for items without labels in the data. Without labelled test examples, nothing is scored.
    resplit: whether each seed divides all examples anew, by class, into pool, validation and test part of the same
        sizes, as is usual for small tables; for data sets of vectors. If so, the encoder is fitted on that seed's pool,
        and each feature is standardised on it. If not, all seeds have the data set's own parts.
    """

    title = "Classification"
    query = "pool"
    task = "classification"

    dataset: Annotated[Dataset, From("datasets")]
    encoder: Annotated[Encoder, From("encoders")]
    conditions: tuple[Annotated[Condition, From("conditions")], ...] = ()
    metrics: tuple[Annotated[Metric, From("metrics")], ...] = field(
        default_factory=lambda: tuple(map(metrics.build, ("accuracy", "balanced_accuracy", "macro_f1", "nll", "ece")))
    )
    annotator: Annotated[Annotator, From("annotators"), Since("0.1")] = field(
        default_factory=partial(annotators.build, "stored")
    )
    resplit: Annotated[bool, Since("0.1")] = False

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"dataset": "digits", "encoder": "pixels"}

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        return super().provides | ({"truth"} if self.asks_data else set())  # for bounds: who is asked knows no more

    def raw_inputs(self) -> frozenset[str]:
        scored = frozenset({"option scores"}) if self.encoder.scores_options else frozenset()
        return scored | (frozenset({"images"}) if has_images(load(self.dataset).pool.inputs) else frozenset())

    def capacity(self) -> float:
        setting = _lasting(self, self.dataset.state())
        return float(np.delete(setting.prices, given(setting.answers)).sum())

    def max_price(self) -> float:
        return float(_lasting(self, self.dataset.state()).prices.max(initial=0.0))

    def validation_labels(self) -> int:
        return len(_lasting(self, self.dataset.state()).validation.labels)

    def open(self, place: Place, streams: Streams) -> ClassificationInstance:
        instance = self.open_to_check(place, streams)
        instance.read_features()
        return instance

    def open_to_check(self, place: Place, streams: Streams) -> ClassificationInstance:
        from labelbench_plus.features.training_inputs import DividedStore, Store

        checked = _lasting(self, self.dataset.state())
        before = lasting(redrawn(load(self.dataset), streams), self.conditions, self.task) if self.resplit else checked

        def read(part: str, rows: np.ndarray) -> np.ndarray:
            if self.resplit:
                return divided(self.dataset, self.encoder, before.pool.rows, rows)
            return encoded(self.dataset, self.encoder, place.cache).parts[part][rows]

        setting = drawn(before, self.conditions, read, streams)
        parts = {part: getattr(setting, part).rows for part in PARTS}
        store = Store(self.dataset, self.encoder, place.cache, parts)
        if self.resplit:
            store = DividedStore(self.dataset, self.encoder, place.cache, parts, before.pool.rows)
        if self.asks_data:
            oracle: ItemOracle = PoolOracle(setting.answers, setting.prices)
        else:
            oracle = self.asking(place, setting.prices, setting.class_names, setting.answers, setting.pool.rows)
        return ClassificationInstance(setting, store, self.metrics, place.device, oracle)


class ClassificationInstance:
    """A classification problem with its labels loaded; features are when they are first asked for."""

    def __init__(
        self,
        setting: Setting,
        store: Store,
        scores: tuple[Metric, ...],
        device: str,
        oracle: ItemOracle,
    ) -> None:
        import torch

        from labelbench_plus.features.training_inputs import FeatureRows, TrainerInputs

        self.oracle, self._given = oracle, given(setting.answers)
        self._setting, self._store, self._device = setting, store, device
        self._features = {part: FeatureRows(store, part, device) for part in PARTS}
        self._prices, self._metrics = setting.prices, scores
        self._num_classes, self._inputs = len(setting.class_names), TrainerInputs(setting.class_names, store)
        data = load(store.dataset)
        self._groups = None
        if data.test.groups is not None:
            self._groups = torch.as_tensor(data.test.groups[setting.test.rows], device=device)
        self._kinds = None
        if data.test.kinds is not None:
            self._kinds = (data.test.kinds[setting.test.rows], data.kind_names)
        self._columns = columns_of(data.columns, setting.pool.rows, device)

    def read_features(self) -> None:
        """Read or compute all features now, so that no round of a run is charged for it."""
        for part in PARTS:
            self._features[part].tensor  # noqa: B018 it is kept

    @property
    def _pool(self) -> Tensor:
        return self._features["pool"].tensor

    @cached_property
    def _validation(self) -> Examples:
        return self._examples("validation", self._setting.validation)

    @cached_property
    def _test(self) -> Examples:
        return self._examples("test", self._setting.test)

    def _examples(self, name: str, part: Part) -> Examples:
        import torch

        labels = torch.as_tensor(part.labels, dtype=torch.long, device=self._device)
        return Examples(self._features[name].tensor, labels, torch.arange(len(labels), device=self._device))

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        import torch

        device, can_be_bought = self._device, self.oracle.candidates(ledger)
        candidates = torch.as_tensor(can_be_bought, device=device)
        known, labels = self._known(ledger)
        labelled = torch.as_tensor(known, device=device)
        providers = dict(
            pool_providers(
                needs,
                self._features["pool"],
                self._columns,
                candidates.clone(),
                labelled.clone(),
                model,
                self._read_by(model, "pool"),
            )
        )
        if "truth" in needs:  # or the view would hold what was not bought
            truth = torch.as_tensor(self._setting.answers[can_be_bought].astype(np.int64), device=device)
            providers["truth"] = ("truth", lambda: truth)
        return PoolView(
            needs,
            providers,
            candidates,
            labelled,
            labels=torch.as_tensor(labels, dtype=torch.long, device=device),
            prices=torch.as_tensor(self._prices[can_be_bought], device=device),
            num_classes=self._num_classes,
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def _known(self, ledger: Ledger) -> tuple[np.ndarray, np.ndarray]:
        """Items (m,) whose labels are known, those that everybody was handed first, and their labels (m,)."""
        items, answers = ledger.answered_items, ledger.answered_answers
        if not len(self._given):
            return items, answers
        handed = self._setting.answers[self._given]
        return np.concatenate([self._given, items]), np.concatenate([handed, answers.astype(np.int64)])

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> ClassificationData:
        import torch

        bought, answers = self._known(ledger)
        of_a_class = answers != OUTLIER  # an outlier was paid for, but teaches none of the classes
        if len(of_a_class) and not of_a_class.any():
            raise ValueError(
                f"all {len(of_a_class)} items bought are outliers, so there is nothing to learn from; buy more in the "
                "first round"
            )
        items = torch.as_tensor(bought[of_a_class], device=self._device)
        labels = torch.as_tensor(answers[of_a_class], dtype=torch.long, device=self._device)
        validation = self._validation if with_validation else None
        labelled = Examples(self._pool[items], labels, items)
        outliers = torch.as_tensor(bought[~of_a_class], device=self._device)
        return ClassificationData(labelled, self._pool, validation, self._num_classes, self._inputs, outliers)

    def evaluate(self, model: Any) -> dict[str, float] | Scored:
        from labelbench_plus.features.training_inputs import FeatureRows

        if not len(self._setting.test.labels):
            return {}
        test = self._read_by(model, "test")
        probabilities = model.probabilities(test.tensor if isinstance(test, FeatureRows) else test)
        scores = score_all(self._metrics, probabilities, self._test.labels, self._groups)
        if self._kinds is None:
            return scores
        right = (probabilities.argmax(dim=1) == self._test.labels).cpu().numpy()
        return Scored(scores, {"kinds": by_kind(right, *self._kinds)})

    def denominators(self) -> dict[str, frozenset[int] | None]:
        groups = None if self._groups is None else self._groups.cpu().numpy()
        return {metric.name: metric.denominators(self._setting.test.labels, groups) for metric in self._metrics}

    def _read_by(self, model: Any | None, part: str) -> FeatureRows | Images:
        """What a model reads of the pool or the test set: features, unless it says that it `reads` images."""
        if reads_images(model):
            return self._store.images(part, model.image_size)  # type: ignore[union-attr]
        return self._features[part]


def by_kind(right: np.ndarray, kinds: np.ndarray, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """A table of accuracy by kind of example: what each is called, how many there are, and the share that is right.

    Parameters
    ----------
    right: (n,) bool. kinds: (n,) of `names`.
    """
    there = np.unique(kinds).tolist()
    return {
        "kind": [names[kind] for kind in there],
        "examples": [int((kinds == kind).sum()) for kind in there],
        "accuracy": [float(right[kinds == kind].mean()) for kind in there],
    }


def reads_images(model: Any) -> bool:
    """Whether a model's methods take images rather than features: such a model says so by `reads`."""
    return getattr(model, "reads", "features") == "images"


def pool_providers(
    needs: frozenset[str],
    pool: FeatureRows,
    columns: Columns,
    candidates: Tensor,
    labelled: Tensor,
    model: Any | None,
    read: FeatureRows | Images,
) -> Providers:
    """The functions behind a pool view. A free function: its closures can reach inputs and model, no labels.

    `read` is what the model reads of the pool.
    """
    return {
        **providers_of_model(needs, model, read.at, candidates, labelled),
        **column_providers(columns, candidates, labelled),
        "features": ("features", lambda: pool.at(candidates)),
        "labelled_features": ("features", lambda: pool.at(labelled)),
    }


def _as_it_is(data: LabelledData) -> Setting:
    """The problem without conditions, with the data set's own parts."""

    def part(split: Split) -> Part:
        return Part(np.arange(len(split.labels)), split.labels)

    prices = np.ones(len(data.pool.labels)) if data.pool_prices is None else data.pool_prices
    parts = (part(data.validation), part(data.test))
    return Setting(part(data.pool), data.pool.labels, prices, *parts, data.class_names)


@lru_cache(maxsize=4)
def _lasting(problem: Classification, state: tuple[int, ...]) -> Setting:
    """The problem under the conditions that are the same for every run."""
    data = load(problem.dataset)
    if data.pool.labels.ndim != 1:
        raise ValueError(f"data set {label(problem.dataset)!r} is multi-label; it is for the problem 'multilabel'")
    if data.pool.labels.dtype.kind == "f":
        raise ValueError(f"data set {label(problem.dataset)!r} has real values; it is for the problem 'regression'")
    check_metrics(problem.metrics, problem.task, data.test.groups is not None)

    if problem.resplit:
        check_redrawn(data, label(problem.dataset))
        if not problem.asks_data:
            raise ValueError("resplit: it is for labels of the data; leave it out where an annotator is asked")
        setting = redrawn(data, Streams(0))  # every seed has as many of each class
    else:
        setting = _as_it_is(data)
    found = lasting(setting, problem.conditions, problem.task)
    problem.check_encoder()
    problem.check_annotator()
    if unlabelled(data.pool.labels).any() and problem.conditions:
        raise ValueError("conditions: they need the labels of all items, and some have none yet")
    return found
