"""Learning policies from preference bits of several objectives, to answer for any weighting of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Protocol

import numpy as np
from annotated_types import Ge, Gt
from scipy.special import expit

from labelbench_plus.algorithms.decoding.hypervolume import hypervolume
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.combiners import Response
from labelbench_plus.contracts.policy_sets import Bits, Learner, OpenPolicySet, Outcome, Pairs, PolicySet
from labelbench_plus.decoding.weightings import lattice
from labelbench_plus.plugins import From, label
from labelbench_plus.problems import Place, Problem, Series, SeriesColumn, ShownScore, point, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.source_tasks.oracle import SourceOracle
from labelbench_plus.source_tasks.space import Finite
from labelbench_plus.source_tasks.view import SourceView

BLOCK = 64
DRAWN = (2, 3)  # numbers of objectives for which a hypervolume is computed
BEYOND = 0.5  # what extrapolated weightings take from the other objectives


@dataclass(frozen=True)
class ObjectivesData:
    """What a trainer of this task is shown.

    Attributes
    ----------
    bits: what was bought of each objective.
    learner: who learns policies here. It knows the reference, and nothing of true rewards.
    sharpness: c of each objective; see `Objectives`.
    """

    bits: tuple[Bits, ...]
    learner: Learner
    sharpness: tuple[float, ...]


class ObjectivesModel(Protocol):
    """What the evaluation asks of a model.

    Attributes
    ----------
    training_runs: policies and rewards that were learned, whatever the weighting.
    """

    training_runs: int

    def respond(self, weights: np.ndarray) -> Response:
        """The answer to a weighting."""


@problems.register("objectives")
@dataclass(frozen=True)
class Objectives(Problem):
    """Buy preference bits of M objectives, learn from them, answer for a grid of weightings.

    A source is an objective. Its k-th bit is about a pair of responses drawn from the reference, and says with
    probability σ(c (R_i(a) − R_i(b)) / β) that the first is better; it is the same whoever buys it.

    Scores are under the true rewards, means over the grid: `regret` is what the value J_w lacks to the best there is,
    `relative_regret` divides by what the reference lacks, `inner_regret` leaves weightings of one objective out.
    `hypervolume_share` is of expected rewards alone, against the best front on the grid, from the worst that the
    reference and the best policies for single objectives have. It ignores KL, so it must not rank: policies that give
    up the reference for reward have more of it.

    Parameters
    ----------
    policies: the world.
    sharpness: c, how clear bits are: one number, or one for each objective.
    grid: weights are multiples of 1/(grid − 1).
    signed: whether there is a series of extrapolated weightings, one below zero, too. Not every combiner takes them.
    prices, opening: of a bit of each objective, and of the first bit on top; one and nothing if left out.
    world_seed: of the world; the run's own if left out.
    """

    title = "Objectives"
    query = "sources"
    task = "objectives"
    unit = "preference bits"

    policies: Annotated[PolicySet, From("policy_sets")]
    sharpness: tuple[Annotated[float, Gt(0)], ...] = (1.0,)
    grid: Annotated[int, Ge(2)] = 5
    signed: bool = False
    prices: tuple[Annotated[float, Gt(0)], ...] = ()
    opening: tuple[Annotated[float, Ge(0)], ...] = ()
    world_seed: Annotated[int, Ge(0)] | None = None

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {"policies": {"name": "token_world", "vocabulary": 3, "length": 2, "hidden": 4}, "grid": 3}

    def __post_init__(self) -> None:
        if not self.policies.learns:
            raise ValueError(
                f"policies: nothing can be learned on {self.policies.name!r}; the problem 'weighting' can use it"
            )
        count = len(self.policies.objectives())
        for name, least in (("sharpness", 1), ("prices", 0), ("opening", 0)):
            given = len(getattr(self, name))
            if given not in (least, count):
                raise ValueError(f"{name}: expected {least or 'none'} or {count}, one an objective, got {given}")

    def fingerprint(self) -> str:
        return self.policies.fingerprint()

    def capacity(self) -> float:
        return math.inf

    def max_price(self) -> float:
        count = len(self.policies.objectives())
        return float(np.max(np.array(self.prices or [1.0] * count) + np.array(self.opening or [0.0] * count)))

    def validation_labels(self) -> int:
        return 0

    def primary_metric(self) -> tuple[str, bool]:
        return "regret", False

    def averaged_metric(self) -> str:
        return "relative_regret"

    def dataset_name(self) -> str:
        return label(self.policies)

    def series(self) -> tuple[Series, ...]:
        names = self.policies.objectives()
        shared = [*((name, True) for name in names), ("kl", False), ("value", True)]
        columns = (
            *(SeriesColumn(name, higher) for name, higher in shared),
            SeriesColumn("regret", False, given=False),
        )
        grids = {"front": self.weightings(), **({"signed": self.beyond()} if self.signed else {})}
        return tuple(
            Series(name, "weights", tuple(map(point, grid)), columns, (names[0], names[1]), ("reference", "best"))
            for name, grid in grids.items()
        )

    def shown_scores(self) -> tuple[ShownScore, ...]:
        runs = "another weighting needs no new labels, of whatever kind the training: decoding saves training runs"
        share = ShownScore(
            "hypervolume_share", True, caveat="ignores KL, so it rises with every step off the reference"
        )
        return (
            *(ShownScore(name, False) for name in ("relative_regret", "inner_regret", "kl", "forwards_per_token")),
            ShownScore("training_runs", False, caveat=runs),
            *((share,) if len(self.policies.objectives()) in DRAWN else ()),
        )

    def weightings(self) -> list[list[float]]:
        """The grid."""
        found: list[list[float]] = lattice(len(self.policies.objectives()), self.grid).tolist()
        return found

    def beyond(self) -> list[list[float]]:
        """Extrapolated weightings: of each objective, more than the whole."""
        count = len(self.policies.objectives())
        found: list[list[float]] = ((1 + BEYOND) * np.eye(count) - BEYOND / (count - 1) * (1 - np.eye(count))).tolist()
        return found

    def open(self, place: Place, streams: Streams) -> ObjectivesInstance:
        world = streams if self.world_seed is None else Streams(self.world_seed)
        opened, count = self.policies.open(place, world), len(self.policies.objectives())
        sharpness = self.sharpness if len(self.sharpness) == count else self.sharpness * count

        def draw(source: Any, first: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
            pairs, bits = [], []
            for number in range(first, first + blocks):
                rng = streams.round(int(source)).round(number).rng("preference bits")
                drawn = opened.pairs(BLOCK, rng)
                better = sharpness[source] * opened.rewards(drawn)[source] / opened.beta
                pairs.append(np.stack([drawn.prompts, drawn.first, drawn.second], axis=1))
                bits.append((rng.random(BLOCK) < expit(better)).astype(np.float64))
            return np.concatenate(pairs), np.concatenate(bits)

        oracle = SourceOracle(
            Finite(count),
            draw,
            BLOCK,
            prices=np.array(self.prices) if self.prices else None,
            opening=np.array(self.opening) if self.opening else None,
        )
        return ObjectivesInstance(self, opened, oracle, sharpness)


class ObjectivesInstance:
    """The objectives of one world, the bits of one seed, and the true rewards."""

    def __init__(
        self, problem: Objectives, opened: OpenPolicySet, oracle: SourceOracle, sharpness: tuple[float, ...]
    ) -> None:
        self.oracle = oracle
        self._problem, self._opened, self._sharpness = problem, opened, sharpness
        self._learner = opened.learner()

    def view(self, needs: frozenset[str], ledger: Ledger, model: Any | None, money: float) -> SourceView:
        sources = np.arange(len(self._sharpness))
        return SourceView(
            needs,
            providers_of_model(needs, model),
            self.oracle.space,
            sources,
            self.oracle.bought(ledger),
            *self.oracle.terms(ledger),
            passive_sources=sources,
            rank=1,
            money=money,
            unpriced=self.oracle.unpriced,
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> ObjectivesData:
        sources, samples = self.oracle.sold(ledger)
        bought = dict(zip(sources.tolist(), samples, strict=True))
        bits = []
        for source in range(len(self._sharpness)):
            rows = bought[source].inputs if source in bought else np.empty((0, 3), dtype=np.int64)
            won = bought[source].labels > 0 if source in bought else np.empty(0, dtype=bool)
            bits.append(Bits(Pairs(rows[:, 0], rows[:, 1], rows[:, 2]), won))
        return ObjectivesData(tuple(bits), self._learner, self._sharpness)

    def evaluate(self, model: ObjectivesModel) -> dict[str, float]:
        front, *signed = self._problem.series()
        grid = self._problem.weightings()
        found = [self._judged(model, weights) for weights in grid]
        regrets = np.array([each.regret for each in found])
        lacks = np.array([each.best.value - each.reference.value for each in found])
        inner = np.array([max(weights) < 1 for weights in grid])
        scores = {
            "regret": float(regrets.mean()),
            "relative_regret": float((regrets / lacks).mean()),
            "kl": float(np.mean([each.outcome.kl for each in found])),
            "forwards_per_token": float(np.mean([each.response.forwards for each in found])),
            "training_runs": float(model.training_runs + sum(each.response.training_runs for each in found)),
        }
        if inner.any():
            scores["inner_regret"] = float(regrets[inner].mean())
        if len(self._sharpness) in DRAWN:
            scores["hypervolume_share"] = self._share(np.array([each.outcome.rewards for each in found]))
        scores |= self._points(front, grid, found)
        for series in signed:
            beyond = self._problem.beyond()
            scores |= self._points(series, beyond, [self._judged(model, weights) for weights in beyond])
        return scores

    def _points(self, series: Series, weightings: list[list[float]], found: list[_Judged]) -> dict[str, float]:
        """The scores that are a series."""
        return {
            series.score(column, point(weights)): value
            for weights, judged in zip(weightings, found, strict=True)
            for column, value in self._row(judged).items()
        }

    def _judged(self, model: ObjectivesModel, weights: list[float]) -> _Judged:
        w = np.array(weights)
        response = model.respond(w)
        return _Judged(response, self._opened.outcome(response, w), self._opened.best(w), self._opened.reference(w))

    def _row(self, judged: _Judged) -> dict[str, float]:
        """What one point of a series has, by column."""
        row = self._columns("", judged.outcome) | {"regret": judged.regret}
        return row | self._columns("reference:", judged.reference) | self._columns("best:", judged.best)

    def _columns(self, prefix: str, outcome: Outcome) -> dict[str, float]:
        rewards = zip(self._problem.policies.objectives(), outcome.rewards.tolist(), strict=True)
        found = {f"{prefix}{name}": value for name, value in rewards}
        return {**found, f"{prefix}kl": outcome.kl, f"{prefix}value": outcome.value}

    def _share(self, rewards: np.ndarray) -> float:
        """Of the hypervolume of the best front that one (k, M) has."""
        return hypervolume(rewards, self._floor) / hypervolume(self._attainable, self._floor)

    @cached_property
    def _attainable(self) -> np.ndarray:
        """(k, M) expected rewards of the best policies on the grid."""
        return np.array([self._opened.best(np.array(weights)).rewards for weights in self._problem.weightings()])

    @cached_property
    def _floor(self) -> np.ndarray:
        """(M,) the least that the reference and the best policies for single objectives have of each reward."""
        own = np.eye(len(self._sharpness))
        rows = [self._opened.reference(own[0]).rewards, *(self._opened.best(weights).rewards for weights in own)]
        return np.min(rows, axis=0)


@dataclass(frozen=True)
class _Judged:
    """The answer to a weighting, how good it is, and how good the best and the reference are."""

    response: Response
    outcome: Outcome
    best: Outcome
    reference: Outcome

    @property
    def regret(self) -> float:
        return self.best.value - self.outcome.value
