"""A stranger's family in one file: a problem of a new task with a capability of its own, a trainer and a strategy."""

from dataclasses import dataclass

import numpy as np
import torch

from labelbench_plus.algorithms.blocks.checks import check_count
from labelbench_plus.contracts.capabilities import Capability, providers_of_model
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.problems import Problem, problems
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import ItemView

DEPTH = Capability("depth", "(n,) float", "always", "nothing", "how far down an item lies", attributes=("depth",))


@problems.register("new_slopes")
@dataclass(frozen=True)
class Slopes(Problem):
    """Learn a linear function of three numbers."""

    query = "pool"
    task = "new_slopes"
    provides = frozenset({"features", "depth"})
    declares = (DEPTH,)

    size: int

    @classmethod
    def example(cls):
        return {"size": 120}

    def fingerprint(self):
        return "slopes"

    def capacity(self):
        return float(self.size)

    def validation_labels(self):
        return 0

    def primary_metric(self):
        return "error", False

    def open(self, place, streams):
        rng = streams.rng("slopes")
        inputs = rng.standard_normal((self.size + 50, 3))
        return SlopesInstance(torch.from_numpy(inputs), inputs @ rng.standard_normal(3), self.size)


class SlopesInstance:
    """The problem with its data at hand."""

    def __init__(self, inputs, answers, size):
        self.oracle = PoolOracle(answers[:size])
        self._pool, self._test, self._answers = inputs[:size], inputs[size:], torch.from_numpy(answers[size:])

    def view(self, needs, ledger, model, money):
        unbought = torch.ones(len(self._pool), dtype=torch.bool)
        unbought[ledger.items] = False
        pool, candidates, labelled = self._pool, unbought.nonzero()[:, 0], torch.as_tensor(ledger.items)
        mine, bought = candidates.clone(), labelled.clone()
        return ItemView(
            needs,
            {
                "features": ("features", lambda: pool[mine]),
                "labelled_features": ("features", lambda: pool[bought]),
                "depth": ("depth", lambda: pool[mine].norm(dim=1)),
                **providers_of_model(needs, model, pool.__getitem__, mine, bought),
            },
            candidates,
            labelled,
            torch.as_tensor(ledger.answers, dtype=torch.float64),
            torch.ones(len(candidates), dtype=torch.float64),
            money,
        )

    def training_data(self, ledger, *, with_validation):
        return self._pool[ledger.items], torch.as_tensor(ledger.answers, dtype=torch.float64)

    def evaluate(self, model):
        return {"error": float((model.predictions(self._test) - self._answers).square().mean())}


@dataclass(frozen=True)
class Slope:
    """A linear function."""

    weights: torch.Tensor

    def predictions(self, inputs):
        return inputs @ self.weights


@trainers.register("new_ridge")
@dataclass(frozen=True)
class Ridge(Trainer):
    """Least squares with a small penalty."""

    task = "new_slopes"
    provides = frozenset({"predictions"})

    def fit(self, data, streams, previous):
        inputs, answers = data
        return Slope(
            torch.linalg.solve(inputs.T @ inputs + 0.1 * torch.eye(3, dtype=torch.float64), inputs.T @ answers)
        )


@strategies.register("new_deepest")
@dataclass(frozen=True)
class Deepest(PoolStrategy):
    """Buy what lies furthest down and is expected to be largest."""

    needs = frozenset({"depth", "predictions"})

    def select(self, view, n, rng):
        check_count(n, len(view.candidates))
        return view.candidates[np.argsort(-(view.depth + view.predictions).numpy(), kind="stable")[:n].copy()]
