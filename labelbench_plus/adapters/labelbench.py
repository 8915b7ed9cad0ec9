"""Strategies written for LabelBench."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from labelbench_plus.adapters.pool import AdapterError, arguments, global_generator, load, whole_pool
from labelbench_plus.algorithms.galaxy import predicted_classes
from labelbench_plus.contracts.strategies import PoolStrategy, strategies
from labelbench_plus.plugins import Infra, Outside
from labelbench_plus.reference import Reference
from labelbench_plus.view import PoolView

SPLITS = ("training", "validation", "test")
KINDS = ("predictions", "labels", "losses", "embeddings")
# LabelBench numbers its inputs 3 · kind + split; these are what a strategy here may see, and what it must declare.
PREDICTIONS, LABELS, EMBEDDINGS = 0, 3, 9
NEEDED = {PREDICTIONS: "probabilities", LABELS: "labels", EMBEDDINGS: "embeddings"}


@strategies.register("labelbench")
@dataclass(frozen=True)
class LabelBenchStrategy(PoolStrategy):
    """A strategy class of LabelBench (Zhang et al., 2023), run unmodified.

    It is built with its config and a stand-in for its data set, and asked `select(trainer, budget)` with a stand-in for
    its trainer, anew in every round. Its `input_types` may belong to the class or, as in LabelBench, be set by the
    constructor, which must then ask nothing of the data set. Of training inputs it gets predictions, embeddings and
    labels. A label that was not bought is not there to be had: a strategy that reads labels within its batch (GALAXY,
    DIRECT) finds the class the model predicts, as our `galaxy` and `direct` do, and a row of zeros if it does not ask
    for predictions. Validation and test inputs, and losses, are refused. What it returns is checked like any other
    answer: one item too many is stopped by name.

    Parameters
    ----------
    target: "module:Class".
    config: its `strategy_config`, a JSON object.
    checkout: a folder to import from, such as a checkout of LabelBench.
    """

    title = "LabelBench's strategies"
    reference = Reference(("Zhang", "others"), 2023, arxiv="2306.09910")

    target: Annotated[str, Outside("code")]
    config: Annotated[str, Outside("code", but=("{}",))] = "{}"
    checkout: Annotated[Path | None, Infra(), Outside("code")] = None

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"num_classes", *(NEEDED[kind] for kind in self._inputs())})

    def select(self, view: PoolView, n: int, rng: Generator) -> Tensor:
        with global_generator(rng):
            strategy = self._class()(arguments(self.config), TrainSplit(view))
            chosen = strategy.select(TrainerStandIn(view, PREDICTIONS in self._inputs()), n)
        return torch.as_tensor(np.asarray(chosen), device=view.candidates.device)

    def _class(self) -> Any:
        module, _, name = self.target.partition(":")
        if self.checkout is not None and str(self.checkout) not in sys.path:
            sys.path.append(str(self.checkout))
        return load(module, name, "a checkout of LabelBench, and name its folder as `checkout`")

    def _inputs(self) -> list[int]:
        made = self._class()
        kinds = getattr(made, "input_types", None)
        if kinds is None:
            kinds = made(arguments(self.config), _NotYet(self.target)).input_types
        if kinds is None:
            raise AdapterError(f"{self.target} sets no input_types: a list such as [ALInput.TRAIN_PRED] is needed")
        return [_allowed(kind) for kind in kinds]


@dataclass(frozen=True)
class _NotYet:
    """Stands for the data set where a strategy is built only to learn which inputs it asks for."""

    target: str

    def __getattr__(self, name: str) -> Any:
        raise AdapterError(f"the constructor of {self.target} asks its data set for {name}: ask for it in `select`")

    def __len__(self) -> int:
        raise AdapterError(f"the constructor of {self.target} asks how long its data set is: ask in `select`")


def _allowed(kind: Any) -> int:
    number = int(getattr(kind, "value", kind))
    if number not in NEEDED:
        what = f"{SPLITS[number % 3]} {KINDS[number // 3]}" if 0 <= number < 12 else f"input {number}"
        raise AdapterError(f"it asks for {what}, which no strategy may see")
    return number


class TrainSplit:
    """LabelBench's data set as far as a strategy asks it."""

    def __init__(self, view: PoolView) -> None:
        self._unlabelled, self._labelled = view.candidates.cpu().numpy(), view.labelled.cpu().numpy()
        self._classes = view.num_classes

    def __len__(self) -> int:
        return len(self._unlabelled) + len(self._labelled)

    def labeled_idxs(self) -> np.ndarray:
        """In the order of purchase."""
        return self._labelled.copy()

    def unlabeled_idxs(self) -> np.ndarray:
        return self._unlabelled.copy()

    def num_labeled(self) -> int:
        return len(self._labelled)

    def get_num_classes(self) -> int:
        return self._classes

    def get_classnames(self) -> tuple[str, ...]:
        return tuple(map(str, range(self._classes)))


class TrainerStandIn:
    """LabelBench's trainer as far as a strategy asks it.

    Parameters
    ----------
    predicts: whether labels that were not bought are what the model predicts; else they are rows of zeros.
    """

    def __init__(self, view: PoolView, predicts: bool) -> None:
        self._view, self._predicts = view, predicts

    def retrieve_inputs(self, input_types: Sequence[Any]) -> list[np.ndarray]:
        """Arrays over the pool in the order asked for.

        Raises
        ------
        AdapterError
            One of them is none that a strategy may see.
        """
        return [self._retrieve(_allowed(kind)) for kind in input_types]

    def _retrieve(self, kind: int) -> np.ndarray:
        view = self._view
        if kind != LABELS:
            return whole_pool(view, "probabilities" if kind == PREDICTIONS else "embeddings")
        labels, known, open_ = (each.cpu().numpy() for each in (view.labels, view.labelled, view.candidates))
        rows = np.zeros((len(open_) + len(known), view.num_classes))
        rows[known[labels >= 0], labels[labels >= 0]] = 1
        if self._predicts:
            rows[open_, predicted_classes(view.probabilities)] = 1
        return rows
