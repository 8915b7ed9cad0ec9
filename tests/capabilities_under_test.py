"""A family of a stranger's: items with real answers and no classes, a column of its own, a model with a variance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import Capability, providers_of_model
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.problems import Place, Problem, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.strategies import PoolStrategy, strategies
from labelbench_plus.trainers import Trainer, trainers
from labelbench_plus.view import ItemView

REGIONS = Capability("region", "(n,) str", "always", "nothing", "where an item is from", attributes=("region",))
LEVERAGE = Capability("leverage", "(n,) float64", "with a model", "a product of matrices", "xᵀ(XᵀX + I)⁻¹x")
NOISE = Capability("noise_level", "float", "with a model", "nothing", "the noise that the model assumes", "nothing")


@problems.register("real_answers")
@dataclass(frozen=True)
class RealAnswers(Problem):
    """Learn a linear function with real answers."""

    query = "pool"
    task = "real answers"
    provides = frozenset({"features", "region"})
    declares = (REGIONS,)

    size: Annotated[int, Gt(0)] = 60

    def fingerprint(self) -> str:
        return "made from the seed"

    def capacity(self) -> float:
        return float(self.size)

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return "rmse", False

    def open(self, place: Place, streams: Streams) -> RealAnswersInstance:
        rng = streams.rng("real_answers")
        features = rng.standard_normal((self.size + 50, 3))
        answers = features @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(len(features))
        regions = np.array(["north", "south", "east"], dtype=object)[np.arange(self.size) % 3]
        return RealAnswersInstance(torch.from_numpy(features), answers, regions, self.size)


class RealAnswersInstance:
    def __init__(self, features: torch.Tensor, answers: np.ndarray, regions: np.ndarray, size: int) -> None:
        self.oracle = PoolOracle(answers[:size])
        self._pool, self._test, self._regions = features[:size], features[size:], regions
        self._test_answers = torch.from_numpy(answers[size:])

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> ItemView:
        items = torch.as_tensor(ledger.items, dtype=torch.long)
        unbought = torch.ones(len(self._pool), dtype=torch.bool)
        unbought[items] = False
        candidates = unbought.nonzero()[:, 0]
        return ItemView(
            needs,
            providers(needs, self._pool, self._regions, candidates.clone(), items.clone(), model),
            candidates,
            items,
            answers=torch.as_tensor(ledger.answers, dtype=torch.float64),
            prices=torch.ones(len(candidates), dtype=torch.float64),
            money=money,
            purchases=[torch.tensor(purchase.items) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> tuple[torch.Tensor, torch.Tensor]:
        return self._pool[torch.as_tensor(ledger.items)], torch.as_tensor(ledger.answers, dtype=torch.float64)

    def evaluate(self, model: Any) -> dict[str, float]:
        return {"rmse": float((model.predictions(self._test) - self._test_answers).square().mean().sqrt())}


def providers(
    needs: frozenset[str],
    pool: torch.Tensor,
    regions: np.ndarray,
    candidates: torch.Tensor,
    labelled: torch.Tensor,
    model: Any | None,
) -> dict[str, tuple[str, Callable[[], Any]]]:
    return {
        **providers_of_model(needs, model, pool.__getitem__, candidates, labelled),
        "features": ("features", lambda: pool[candidates]),
        "labelled_features": ("features", lambda: pool[labelled]),
        "region": ("region", lambda: regions[candidates.numpy()]),
    }


@dataclass(frozen=True)
class LinearModel:
    weights: torch.Tensor
    inverse: torch.Tensor

    @torch.inference_mode()
    def predictions(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weights

    @torch.inference_mode()
    def variance(self, features: torch.Tensor) -> torch.Tensor:
        return self.leverage(features)

    def leverage(self, features: torch.Tensor) -> torch.Tensor:
        return ((features @ self.inverse) * features).sum(dim=1)

    def noise_level(self) -> float:
        return 0.1


@trainers.register("bayes_line")
@dataclass(frozen=True)
class BayesLine(Trainer):
    """Ridge regression with its posterior variance."""

    task = "real answers"
    provides = frozenset({"predictions", "variance", "leverage", "noise_level"})
    declares = (LEVERAGE, NOISE)

    def fit(self, data: Any, streams: Streams, previous: Any | None) -> LinearModel:
        features, answers = data
        inverse = torch.linalg.inv(features.T @ features + torch.eye(features.shape[1], dtype=features.dtype))
        return LinearModel(inverse @ features.T @ answers, inverse)


@strategies.register("most_variance")
@dataclass(frozen=True)
class MostVariance(PoolStrategy):
    """Items that the model is least sure of, of a region of its own each time round."""

    needs = frozenset({"variance", "region", "leverage", "noise_level"})

    def select(self, view: ItemView, n: int, rng: np.random.Generator) -> torch.Tensor:
        assert view.round == len(view.purchases) and sum(map(len, view.purchases)) == len(view.labelled)
        assert torch.equal(view.variance, view.leverage)
        assert len(view.labelled_variance) == len(view.answers)
        view.note("noise", view.noise_level)
        wanted = torch.from_numpy(view.region == ["north", "south", "east"][view.round % 3])
        scores = view.variance + 100 * wanted.double()
        return view.candidates[scores.argsort(descending=True, stable=True)[:n]]


@strategies.register("wants_the_moon")
@dataclass(frozen=True)
class WantsTheMoon(PoolStrategy):
    """Needs what nobody offers."""

    needs = frozenset({"moon", "variance"})


@strategies.register("wants_truth")
@dataclass(frozen=True)
class WantsTruth(PoolStrategy):
    """Needs what nobody paid for."""

    needs = frozenset({"truth"})
    knows_truth = True

    def select(self, view: ItemView, n: int, rng: np.random.Generator) -> torch.Tensor:
        return view.candidates[view.truth.argsort(descending=True)[:n]]
