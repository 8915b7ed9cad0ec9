"""Strategies of scikit-activeml."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.adapters.pool import AdapterError, arguments, global_generator, load, whole_pool
from labelbench_plus.algorithms.blocks.checks import check_count, check_matrix, check_probabilities
from labelbench_plus.contracts.strategies import PoolStrategy, strategies
from labelbench_plus.plugins import Outside
from labelbench_plus.reference import Reference
from labelbench_plus.view import PoolView

PACKAGE = "scikit-activeml (pip install 'labelbench-plus[adapters]')"
ANSWERED = {"X", "y", "clf"}


@strategies.register("skactiveml")
@dataclass(frozen=True)
class SkactivemlStrategy(PoolStrategy):
    """A query strategy of `skactiveml.pool`, run unmodified (Kottke et al., 2021).

    It is built anew in every round with a `random_state` drawn from the round's generator, and asked with all items as
    X, NaN for labels not bought, and, where it wants a classifier, one that is already fitted: the current model.

    Parameters
    ----------
    strategy: the name of the class, e.g. "UncertaintySampling".
    arguments: of its constructor, a JSON object, e.g. '{"method": "margin_sampling"}'.
    inputs: what X is.
    """

    title = "scikit-activeml's strategies"
    reference = Reference(("Kottke", "others"), 2021)

    strategy: Annotated[str, Outside("code")]
    arguments: Annotated[str, Outside("code", but=("{}",))] = "{}"
    inputs: Literal["features", "embeddings"] = "features"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({self.inputs, "labels", *(["probabilities"] if "clf" in self._asked() else [])})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        if check_count(n, len(view.candidates)) == 0:
            return view.candidates[:0]
        asked = self._asked()
        check_matrix(getattr(view, self.inputs), self.inputs)
        X, y = whole_pool(view, self.inputs), np.full(len(view.candidates) + len(view.labelled), np.nan)
        of_a_class = (view.labels >= 0).cpu()
        y[view.labelled.cpu()[of_a_class].numpy()] = view.labels.cpu()[of_a_class].numpy()
        given: dict[str, Any] = {"X": X, "y": y, "candidates": view.candidates.cpu().numpy(), "batch_size": n}
        if "clf" in asked:
            check_probabilities(view.probabilities)
            given["clf"] = _fitted(X, whole_pool(view, "probabilities"))
            given["fit_clf"] = False
        with global_generator(rng):
            seed = int(rng.integers(2**31))
            strategy = self._class()(random_state=seed, **arguments(self.arguments))
            chosen = strategy.query(**given)
        return torch.as_tensor(np.asarray(chosen), device=view.candidates.device)

    def _class(self) -> Any:
        return load("skactiveml.pool", self.strategy, PACKAGE)

    def _asked(self) -> set[str]:
        """What `query` must be given.

        Raises
        ------
        AdapterError
            Something that no problem here has: a regressor, an ensemble, a discriminator.
        """
        parameters = inspect.signature(self._class().query).parameters.values()
        required = {each.name for each in parameters if each.default is each.empty} - {"self"}
        if beyond := sorted(required - ANSWERED):
            raise AdapterError(f"skactiveml.pool.{self.strategy} wants {', '.join(beyond)}, which is not adapted")
        return required


def _fitted(X: np.ndarray, probabilities: np.ndarray) -> Any:
    """A classifier for scikit-activeml that says of each row of X what the current model says."""
    from skactiveml.base import SkactivemlClassifier

    rows = {row.tobytes(): number for number, row in enumerate(X)}

    class CurrentModel(SkactivemlClassifier):
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            raise AdapterError("the model of the round is not fitted again")

        def predict_proba(self, X: Any) -> np.ndarray:
            return probabilities[[rows[row.tobytes()] for row in np.ascontiguousarray(X, dtype=np.float64)]]

        def predict(self, X: Any) -> np.ndarray:
            return np.asarray(self.predict_proba(X).argmax(axis=1))

    classes = np.arange(probabilities.shape[1])
    model = CurrentModel(classes=classes.tolist())
    model.classes_, model.n_features_in_ = classes, X.shape[1]
    return model
