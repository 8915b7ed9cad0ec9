"""Finding out how somebody weighs several objectives, by what they prefer, and answering them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import numpy as np
from annotated_types import Ge, Gt, Lt
from scipy.special import expit

from labelbench_plus.answers import CLASS
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.combiners import Listed, Response
from labelbench_plus.contracts.policy_sets import Given, OpenPolicySet, Pairs, PolicySet
from labelbench_plus.oracle import PoolOracle
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, Problem, ShownScore, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.view import PoolView, Providers

if TYPE_CHECKING:
    from torch import Tensor


DRAWS = 50  # times as many pairs as are wanted, before there are too few


@dataclass(frozen=True)
class Answers:
    """What a user answered.

    Attributes
    ----------
    features: (m, M) float64 of the questions. labels: (m,) long, 1 where the first response was preferred.
    rows: (m,) long, the questions' places in the pool.
    """

    features: Tensor
    labels: Tensor
    rows: Tensor


@dataclass(frozen=True)
class WeightingData:
    """What a trainer of this task is shown.

    Attributes
    ----------
    labelled: what was answered, in order.
    rounds: how many answers there were after each round.
    pool_features: (N, M) float64 of all questions.
    temperature: what it is told of how firm the user's preferences are; see `Weighting`.
    given: the policies, tuned to one objective each.
    """

    labelled: Answers
    rounds: tuple[int, ...]
    pool_features: Tensor
    temperature: float
    given: Given


class WeightingModel(Protocol):
    """What the evaluation asks of a model.

    Attributes
    ----------
    weights: (M,) its estimate of the user's weighting.
    stop: how many answers it would have bought had it been free to stop, and its estimate then; None if it has no rule.
    """

    weights: np.ndarray
    stop: tuple[int, np.ndarray] | None

    def respond(self, weights: np.ndarray) -> Response:
        """The answer to a weighting."""


@problems.register("weighting")
@dataclass(frozen=True)
class Weighting(Problem):
    """A user weighs objectives in an unknown way, and is asked which of two responses they prefer.

    The user prefers response a to b with probability σ(Σ w_i (R_i(a) − R_i(b)) / τ), R true rewards, w drawn anew for
    every seed from a uniform distribution. Policies for single objectives are given. A question's features are the
    differences of what they imply, β f′(π_i/π_ref), of which no reward is read; a learner estimates w, and a combiner
    answers for the estimate without any training.

    Scores are of that answer under the true rewards and the true w: `regret` is what its value J_w lacks to the best,
    `relative_regret` divides by what the reference lacks.

    Parameters
    ----------
    policies: the world. It is the same for every seed, so that seeds are users.
    pairs: how many questions there are.
    temperature: τ, how firm preferences are.
    told: the τ that learners assume; default: the true one.
    unknown: share of the user's weights on an objective without a policy. Scores ignore it.
    world_seed: of the world and its questions.
    """

    title = "Weighting of objectives"
    query = "pool"
    task = "weighting"
    unit = "answers"
    provides = frozenset({"features", "labels", "num_classes"})

    policies: Annotated[PolicySet, From("policy_sets")]
    pairs: Annotated[int, Ge(1)] = 300
    temperature: Annotated[float, Gt(0)] = 0.5
    told: Annotated[float, Gt(0)] | None = None
    unknown: Annotated[float, Ge(0), Lt(1)] = 0.0
    world_seed: Annotated[int, Ge(0)] = 0

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"policies": {"name": "table", "responses": 12}, "pairs": 60}

    def raw_inputs(self) -> frozenset[str]:
        return frozenset(f"policy {name}" for name in self.policies.offers)

    def fingerprint(self) -> str:
        return self.policies.fingerprint()

    def capacity(self) -> float:
        return float(self.pairs)

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return "relative_regret", False

    def shown_scores(self) -> tuple[ShownScore, ...]:
        saved = "answers find a weighting that is not known; for one that is, training anew needs no new labels either"
        return (
            ShownScore("regret", False),
            ShownScore("weight_error", False, caveat=saved),
            *(ShownScore(name, False) for name in ("kl", "forwards_per_token")),
        )

    def dataset_name(self) -> str:
        return label(self.policies)

    def facets(self) -> dict[str, str]:
        told = self.temperature if self.told is None else self.told
        unknown = f", {self.unknown:g} of the weights unknown" if self.unknown else ""
        return {"user": f"temperature {self.temperature:g}, told {told:g}{unknown}"}

    def open(self, place: Place, streams: Streams) -> WeightingInstance:
        world = Streams(self.world_seed)
        opened = self.policies.open(place, world)
        pairs = _questions(opened, self.pairs, world.rng("questions"))
        known = opened.rewards(pairs)
        user = streams.rng("user").dirichlet(np.ones(len(known)))
        prefers = (1 - self.unknown) * user @ known + self.unknown * _strange(opened, pairs, known, world)
        answers = (streams.rng("answers").random(self.pairs) < expit(prefers / self.temperature)).astype(np.int64)
        told = self.temperature if self.told is None else self.told
        return WeightingInstance(opened, pairs, answers, user, told, place.device)


def _questions(opened: OpenPolicySet, count: int, rng: np.random.Generator) -> Pairs:
    """Pairs of responses no two of which are of the same two, drawn from the reference.

    Raises
    ------
    ValueError
        The reference hardly ever gives so many.
    """
    found, seen = opened.pairs(0, rng), set[tuple[int, int, int]]()
    for _ in range(DRAWS):
        drawn = opened.pairs(count, rng)
        names = zip(drawn.prompts.tolist(), *np.sort([drawn.first, drawn.second], axis=0).tolist(), strict=True)
        new = [row for row, name in enumerate(names) if not (name in seen or seen.add(name))]  # type: ignore[func-returns-value]
        found = found.with_those(drawn.at(np.array(new, dtype=np.int64)))
        if len(found) >= count:
            return found.at(np.arange(count))
    raise ValueError(f"pairs: the reference gives {len(found)} different pairs in {DRAWS * count} draws, not {count}")


def _strange(opened: OpenPolicySet, pairs: Pairs, known: np.ndarray, world: Streams) -> np.ndarray:
    """(n,) differences in a reward that has nothing to do with any of the known ones, and is as large as they are."""
    listed = opened.given.policies(frozenset({"reference"})).reference()
    if not isinstance(listed, Listed):
        raise ValueError("unknown: only where all responses are listed can there be an objective that no policy has")
    drawn = pairs.differences(world.rng("unknown objective").standard_normal(listed.log_probabilities.shape[1:]))
    return np.asarray(drawn / drawn.std() * known.std(axis=1).mean())


class WeightingInstance:
    """The questions, one user, and the true rewards."""

    def __init__(
        self, opened: OpenPolicySet, pairs: Pairs, answers: np.ndarray, user: np.ndarray, told: float, device: str
    ) -> None:
        import torch

        self.oracle = PoolOracle(answers, kind=CLASS)
        self._opened, self._user, self._told, self._device = opened, user, told, device
        self._features = torch.as_tensor(opened.implicit_rewards(pairs).T.copy(), device=device)

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> PoolView:
        import torch

        device = self._device
        candidates = torch.as_tensor(self.oracle.candidates(ledger), device=device)
        labelled = torch.as_tensor(ledger.answered_items, device=device)
        return PoolView(
            needs,
            _providers(needs, self._features, candidates.clone(), labelled.clone(), model),
            candidates,
            labelled,
            labels=torch.as_tensor(ledger.answered_answers, dtype=torch.long, device=device),
            prices=torch.ones(len(candidates), dtype=torch.float64, device=device),
            num_classes=2,
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> WeightingData:
        import torch

        items = torch.as_tensor(ledger.answered_items, dtype=torch.long, device=self._device)
        labels = torch.as_tensor(ledger.answered_answers, dtype=torch.long, device=self._device)
        rounds = np.cumsum([purchase.labels for purchase in ledger.purchases]).tolist()
        answers = Answers(self._features[items], labels, items)
        return WeightingData(answers, tuple(rounds), self._features, self._told, self._opened.given)

    def evaluate(self, model: WeightingModel) -> dict[str, float]:
        found = model.respond(model.weights)
        outcome = self._opened.outcome(found, self._user)
        regret, relative = self._regret(outcome.value)
        scores = {
            "relative_regret": relative,
            "regret": regret,
            "weight_error": float(np.abs(model.weights - self._user).sum()),
            "kl": outcome.kl,
            "forwards_per_token": found.forwards,
        }
        if model.stop is not None:
            answers, weights = model.stop
            then = self._opened.outcome(model.respond(weights), self._user)
            scores |= {"stop_answers": float(answers), "stop_relative_regret": self._regret(then.value)[1]}
        return scores

    def _regret(self, value: float) -> tuple[float, float]:
        """What a value lacks to the best for the user, as it is and as a share of what the reference lacks."""
        best = self._opened.best(self._user).value
        at_stake = best - self._opened.reference(self._user).value
        return best - value, (best - value) / at_stake


def _providers(
    needs: frozenset[str], pool: Tensor, candidates: Tensor, labelled: Tensor, model: Any | None
) -> Providers:
    """The functions behind a view. A free function: its closures reach features and model, no answers."""
    return {
        **providers_of_model(needs, model, pool.__getitem__, candidates, labelled),
        "features": ("features", lambda: pool[candidates]),
        "labelled_features": ("features", lambda: pool[labelled]),
    }
