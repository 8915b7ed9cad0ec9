"""Strategies of small-text."""

from __future__ import annotations

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

PACKAGE = "small-text (pip install 'labelbench-plus[adapters]')"


@strategies.register("small_text")
@dataclass(frozen=True)
class SmallTextStrategy(PoolStrategy):
    """A query strategy of small-text, run unmodified (Schröder et al., 2023).

    Those that ask a classifier for probabilities or embeddings get the current model's; those that train something of
    their own or want text are refused when they ask. They draw from NumPy's global generator, which is seeded from the
    round's generator and put back afterwards.

    Parameters
    ----------
    strategy: the name of the class, e.g. "PredictionEntropy".
    reads: what it asks of the classifier.
    arguments: of its constructor, a JSON object, e.g. '{"normalize": false}'.
    """

    title = "small-text's strategies"
    reference = Reference(("Schröder", "others"), 2023)

    strategy: Annotated[str, Outside("code")]
    reads: Literal["probabilities", "embeddings", "nothing"] = "probabilities"
    arguments: Annotated[str, Outside("code", but=("{}",))] = "{}"

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"labels"} if self.reads == "nothing" else {"labels", self.reads})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        if check_count(n, len(view.candidates)) == 0:
            return view.candidates[:0]
        if self.reads == "probabilities":
            check_probabilities(view.probabilities)
        elif self.reads == "embeddings":
            check_matrix(view.embeddings, "embeddings")
        classifier = CurrentModel(self.reads, None if self.reads == "nothing" else whole_pool(view, self.reads))
        unlabelled, labelled = view.candidates.cpu().numpy(), view.labelled.cpu().numpy()
        strategy = load("small_text", self.strategy, PACKAGE)(**arguments(self.arguments))
        with global_generator(rng):
            items = Items(np.arange(len(unlabelled) + len(labelled)))
            chosen = strategy.query(classifier, items, unlabelled, labelled, view.labels.cpu().numpy(), n=n)
        return torch.as_tensor(np.asarray(chosen), device=view.candidates.device)


@dataclass(frozen=True)
class Items:
    """A data set of small-text as far as a strategy passes it on: which items it holds."""

    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, which: Any) -> Items:
        return Items(np.atleast_1d(self.indices[which]))


class CurrentModel:
    """A classifier of small-text as far as a strategy asks it."""

    def __init__(self, reads: str, rows: np.ndarray | None) -> None:
        self._reads, self._rows = reads, rows

    def predict_proba(self, items: Items) -> np.ndarray:
        """(n, K)."""
        return self._of("probabilities", items)

    def embed(self, items: Items, pbar: Any = None) -> np.ndarray:
        """(n, h)."""
        return self._of("embeddings", items)

    def _of(self, what: str, items: Items) -> np.ndarray:
        if self._rows is None or what != self._reads:
            raise AdapterError(f"it asks for {what}, but `reads` says {self._reads}")
        return self._rows[items.indices]
