"""A problem of source-task selection made ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.source_tasks.data import Samples, SourceModel, SourceTaskData
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.space import Finite, Space
from labelbench_plus.source_tasks.view import SourceView
from labelbench_plus.view import Providers


@dataclass(frozen=True)
class Truth:
    """What an oracle strategy is told, in coordinates in which E φφᵀ is the identity.

    The true heads of the targets (k, T), the true map from descriptors ψ to heads (k, p), and the heads of the sources
    (k, S) where they are a list.
    """

    target_heads: np.ndarray
    task_map: np.ndarray
    source_heads: np.ndarray | None = None


@dataclass
class SourceInstance:
    """Sources, targets and their evaluation, whatever they are made of.

    Attributes
    ----------
    targets: the labelled examples of each target that every trainer is given.
    score: the scores of a model on the targets' test data, which only this function reaches.
    passive_sources: see `SourceView`.
    """

    oracle: SourceOracle
    targets: tuple[Samples, ...]
    rank: int
    score: Callable[[Any], dict[str, float]]
    passive_sources: np.ndarray
    truth: Truth | None = field(default=None, repr=False)

    def view(self, needs: frozenset[str], ledger: Ledger, model: SourceModel | None, money: float) -> SourceView:
        space, unpriced = self.oracle.space, self.oracle.unpriced
        if isinstance(space, Finite):
            sources: np.ndarray = np.arange(space.size)
            bought = self.oracle.bought(ledger)
            prices, opening, remaining = self.oracle.terms(ledger)
        else:
            sources, samples = self.oracle.sold(ledger)
            bought = np.array([len(part.labels) for part in samples], dtype=np.int64)
            sources = sources.reshape(-1, space.dimension)
            prices, opening = np.ones(len(bought)), np.zeros(len(bought))
            remaining = np.full(len(bought), np.inf)
        return SourceView(
            needs,
            source_providers(needs, space, self.targets, model, self.truth),
            space,
            sources,
            bought,
            prices,
            opening,
            remaining,
            self.passive_sources,
            self.rank,
            money,
            unpriced,
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> SourceTaskData:
        space = self.oracle.space
        sources, samples = self.oracle.sold(ledger)
        if not isinstance(space, Finite) or space.descriptors is not None:
            return SourceTaskData(samples, space.embed(sources), self.targets, self.rank)
        by_id = dict(zip(sources.tolist(), samples, strict=True))
        like = self.targets[0].inputs
        nothing = Samples(np.empty((0, *like.shape[1:]), dtype=like.dtype), np.empty(0))
        every = tuple(by_id.get(source, nothing) for source in range(space.size))
        return SourceTaskData(every, None, self.targets, self.rank)

    def evaluate(self, model: SourceModel) -> dict[str, float]:
        return self.score(model)


def source_providers(
    needs: frozenset[str],
    space: Space,
    targets: tuple[Samples, ...],
    model: SourceModel | None,
    truth: Truth | None,
) -> Providers:
    """The functions behind a source view. A free function: its closures reach no oracle and no test data."""
    providers = providers_of_model(needs, model)
    if model is not None:
        gauge: list[np.ndarray] = []

        def whitened(heads: np.ndarray) -> np.ndarray:
            if not gauge:
                gauge.append(whitening(model.representation(np.concatenate([part.inputs for part in targets]))))
            return np.asarray(gauge[0] @ heads)

        def source_heads() -> np.ndarray:
            if not isinstance(space, Finite):
                raise ValueError("sources of a continuous space have no list of heads: read the task map")
            return whitened(model.task_map if space.descriptors is None else model.task_map @ space.descriptors.T)

        def head_noise() -> np.ndarray:
            sizes = np.array([len(part.labels) for part in targets])
            return np.asarray(len(model.target_heads) * model.target_variance / sizes)

        providers |= {
            "source_heads": ("source_heads", source_heads),
            "target_heads": ("target_heads", lambda: whitened(model.target_heads)),
            "task_map": ("task_map", lambda: whitened(model.task_map)),
            "head_noise": ("head_noise", head_noise),
        }
    if truth is not None:
        known = {
            "true_source_heads": truth.source_heads,
            "true_target_heads": truth.target_heads,
            "true_task_map": truth.task_map,
        }
        for name, value in known.items():
            if value is not None:
                providers[name] = ("true_heads", partial(np.asarray, value))
    return providers


def whitening(representation: np.ndarray) -> np.ndarray:
    """Σ^(1/2) (k, k) with Σ = mean φφᵀ of rows φ (n, k): multiplies heads, so that lengths become risks."""
    values, vectors = np.linalg.eigh(representation.T @ representation / len(representation))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
