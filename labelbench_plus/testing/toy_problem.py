"""Small real problems, one for each kind of question and task, opened by the code that opens them in a run."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from labelbench_plus import questions
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import OF_TASK, Needs, offered_by_problem
from labelbench_plus.contracts.datasets import Dataset, LabelledData, Split
from labelbench_plus.contracts.problems import Instance, Place, Problem
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.plugins import PluginError, registry
from labelbench_plus.seeding import Streams
from labelbench_plus.testing.report import Skip

CLASSES, WIDTH, POOL, TEST = 4, 6, 140, 200
FIRST = 12  # labels before a learning curve begins
FAR, SOME = 0.5, 40  # spread of classes that nobody confuses, and how many of them are bought at once
TOLD_APART = "classification"  # the problem of which the kit has an example of its own: blobs
VALUED = "regression"  # the problem whose items it gives other values
SHARE = 0.1  # of a finite pool's price that a round of a game spends at most
LINEAR = {"name": "logistic_regression", "l2": 1.0}
MEMBERS = {"name": "mlp", "hidden": 16, "steps": 15, "dropout": 0.2, "passes": 5}


@dataclass
class Game:
    """A run in the middle of it: a first round was bought and a model trained on it.

    `relabelled` makes the problem ready once more, with other answers (N,) behind its pool's items.
    """

    problem: Problem
    instance: Instance
    trainer: Trainer | None
    streams: Streams
    money: float
    relabelled: Callable[[np.ndarray], Instance]
    ledger: Ledger = field(default_factory=Ledger)
    model: Any = None

    def view(self, needs: frozenset[str]) -> Any:
        return self.instance.view(Needs(needs, self.trainer), self.ledger, self.model, self.money)

    def buy(self, query: Any, money: float) -> None:
        """Buy, and train on everything bought so far."""
        self.instance.oracle.answer(query, money, self.ledger)
        if self.trainer is not None:
            data = self.instance.training_data(self.ledger, with_validation=self.trainer.uses_validation)
            previous = self.model if self.trainer.continues else None
            self.model = self.trainer.fit(data, self.streams.round(len(self.ledger.purchases)), previous)


def examples(*, query: str | None = None, task: str | None = None, seed: int = 0) -> Iterator[Problem]:
    """Small problems of a kind of question or of a task: what the registered ones declare, the best known first."""
    known = registry("problems")
    best = [question.problem for question in questions.QUESTIONS]
    for name in sorted(known.entries(), key=lambda name: (name not in best, name)):
        with contextlib.suppress(PluginError, ValidationError):  # a broken plugin harms only itself
            cls = known.load(name)
            if query in (None, cls.query) and task in (None, cls.task):
                if name == TOLD_APART:
                    yield blobs_problem(seed)
                elif (parameters := cls.example()) is not None:
                    yield known.build({"name": name, **parameters})


def offers(query: str) -> frozenset[str]:
    """All capabilities that registered problems of a kind of question declare, and trainers of their tasks."""
    found: set[str] = set()
    tasks = set()
    for kind in ("problems", "trainers"):
        known = registry(kind)
        for name in known.entries():
            with contextlib.suppress(PluginError, ValidationError):
                cls = known.load(name)
                if kind == "problems" and cls.query == query:
                    tasks.add(cls.task)
                elif kind == "problems" or cls.task not in tasks:
                    continue
                provides = cls.provides
                if not isinstance(provides, frozenset):  # hyperparameters decide
                    example = cls.example()
                    provides = frozenset() if example is None else known.build({"name": name, **example}).provides
                found |= provides | OF_TASK.get(cls.task, frozenset())
    return frozenset(found)


def first_strategy(query: str) -> Strategy:
    """The strategy that makes a first round of this kind without a model.

    Raises
    ------
    Skip
        Nobody knows one.
    """
    name = questions.of(query).first
    if name is None:
        raise Skip(f"no strategy for first rounds of {query!r} comes with the kit")
    found: Strategy = registry("strategies").build(name)
    return found


def money_for(problem: Problem, *, first: bool) -> float:
    """What a round of an example spends: what its kind of question says, or a share of a pool that is small."""
    question, capacity = questions.of(problem.query), problem.capacity()
    money = question.first_money if first else question.money
    return max(min(money, math.ceil(SHARE * capacity)), problem.max_price()) if math.isfinite(capacity) else money


def game_for(strategy: Strategy, seed: int = 0) -> Game:
    """A game that this strategy can go on with.

    Raises
    ------
    Skip
        No registered problem that answers its kind of question, with a trainer of its task, offers what it needs.
    """
    fallback = None
    for problem in examples(query=strategy.query, seed=seed):
        with contextlib.suppress(Skip):
            trainer = trainer_for(strategy.needs - {*offered_by_problem(problem)}, problem.task)
            game = _started(problem, trainer, seed)
            if _takes_answers(game.instance.oracle):
                return game
            fallback = fallback or game
    if fallback is not None:
        return fallback
    raise Skip(
        f"no registered problem with an example sells {strategy.query!r} and offers, with a trainer, "
        f"{', '.join(sorted(strategy.needs)) or 'a first round'}"
    )


def example_game(task: str) -> Game:
    """A game of some problem of this task, after a first round.

    Raises
    ------
    Skip
        No registered problem of that task has an example.
    """
    for problem in examples(task=task):
        with contextlib.suppress(Skip):
            return _started(problem, None, 0)
    raise Skip(f"no registered problem of {task!r} has an example (Problem.example)")


def _started(problem: Problem, trainer: Trainer | None, seed: int) -> Game:
    streams, instance = Streams(seed), opened(problem, seed)
    relabelled = partial(_with_answers, instance)
    if isinstance(dataset := getattr(problem, "dataset", None), Blobs):
        relabelled = partial(blobs, dataset.seed)
    game = Game(problem, instance, trainer, streams, money_for(problem, first=False), relabelled)
    money = money_for(problem, first=True)
    game.buy(first_query(game, money), money)
    return game


def first_query(game: Game, money: float) -> Any:
    """What the plainest strategy asks for with this money where nothing was bought yet."""
    first, nothing = first_strategy(game.problem.query), Ledger()
    view = game.instance.view(first.needs, nothing, None, money)
    return first.select(view, game.instance.oracle.ask_for(money, nothing), game.streams.rng("initial"))


def _takes_answers(oracle: Any) -> bool:
    """Whether an oracle of this kind can be made of answers alone, so that hidden labels can be told otherwise."""
    given = inspect.signature(type(oracle)).parameters.values()
    return (
        sum(each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in given)
        == 1
    )


def _with_answers(instance: Any, answers: np.ndarray) -> Instance:
    if not _takes_answers(instance.oracle):
        raise Skip(
            "no other problem offers what it needs, and the answers of this one are made when they are asked for"
        )
    other = copy.copy(instance)
    other.oracle = type(instance.oracle)(answers)
    return other


def trainer_for(capabilities: frozenset[str], task: str) -> Trainer | None:
    """A quick trainer whose models offer these capabilities; none if nothing is asked of it.

    Raises
    ------
    Skip
        No trainer offers them: then no suite could run the strategy here either.
    """
    found = registry("trainers")
    if task == TOLD_APART and "member_probabilities" in capabilities:
        return found.build(MEMBERS)
    if task == TOLD_APART and capabilities <= {"probabilities", "embeddings"}:
        return found.build(LINEAR)
    return any_trainer(task, capabilities) if capabilities else None


def any_trainer(task: str, capabilities: frozenset[str] = frozenset()) -> Trainer:
    """The first trainer of a task that can be built as it is and whose models offer these capabilities.

    Raises
    ------
    Skip
        There is none.
    """
    found = registry("trainers")
    for name in found.entries():
        with contextlib.suppress(PluginError, ValidationError):  # broken, or without defaults
            cls = found.load(name)
            if cls.task != task or (example := cls.example()) is None:
                continue
            trainer: Trainer = found.build({"name": name, **example})
            if capabilities <= trainer.provides:
                return trainer
    raise Skip(f"no installed trainer of {task} offers {', '.join(sorted(capabilities)) or 'a model'}")


@dataclass(frozen=True)
class Blobs(Dataset):
    """Four round classes in six dimensions: a pool of 140, 40 validation examples and a test set of 200.

    Parameters
    ----------
    hidden: what the oracle says of each pool item instead of its true class, as text of digits.
    """

    seed: int = 0
    spread: float = 1.0
    hidden: str = ""

    def load(self) -> LabelledData:
        rng = Streams(self.seed).rng("blobs")
        centers = 2 * rng.standard_normal((CLASSES, WIDTH))

        def split(size: int) -> Split:
            labels = rng.integers(CLASSES, size=size)
            return Split(centers[labels] + self.spread * rng.standard_normal((size, WIDTH)), labels)

        pool, validation, test = split(POOL), split(40), split(TEST)
        if self.hidden:
            pool = Split(pool.inputs, np.array(list(self.hidden), dtype=np.int64))
        return LabelledData(pool, validation, test, tuple(map(str, range(CLASSES))))

    def fingerprint(self) -> str:
        return f"blobs {self.seed} {self.spread} {self.hidden}"


def blobs_problem(seed: int = 0, hidden: np.ndarray | None = None, spread: float = 1.0) -> Problem:
    """The problem of telling blobs apart. `hidden` (140,) is what the oracle says instead of the true classes."""
    dataset = Blobs(seed, spread, "" if hidden is None else "".join(map(str, hidden.tolist())))
    score = registry("metrics").build("accuracy")
    cls = registry("problems").load(TOLD_APART)
    return cls(dataset, registry("encoders").build("identity"), metrics=(score,))


def blobs(seed: int = 0, hidden: np.ndarray | None = None, spread: float = 1.0) -> Any:
    """The same, made ready as it is for a run."""
    return opened(blobs_problem(seed, hidden, spread), seed)


def opened(problem: Problem, seed: int) -> Any:
    """A problem made ready for a run with this seed.

    Raises
    ------
    Skip
        Its data are not on this machine.
    """
    try:
        return problem.open(Place(Path(_cache().name)), Streams(seed))
    except FileNotFoundError as error:
        raise Skip(f"the example of {problem.name!r} cannot be opened: {error}") from error


def far_apart() -> Game:
    """A game of blobs that nobody confuses, of which forty were bought."""
    problem = blobs_problem(spread=FAR)
    instance = opened(problem, 0)
    game = Game(problem, instance, None, Streams(0), SOME, partial(_with_answers, instance))
    game.buy(np.arange(SOME), SOME)
    return game


def learning_curve(strategy: Strategy, rounds: int = 5, seeds: int = 3) -> tuple[float, float]:
    """Mean accuracy over five rounds on blobs that overlap, of a strategy and of random sampling."""

    def area(strategy: Strategy, seed: int) -> float:
        problem = blobs_problem(seed, spread=2.0)
        instance, trainer = (
            opened(problem, seed),
            trainer_for(strategy.needs - {*offered_by_problem(problem)}, problem.task),
        )
        game = Game(problem, instance, trainer, Streams(seed), 4.0, partial(_with_answers, instance))
        game.buy(np.random.default_rng(seed).permutation(POOL)[:FIRST], FIRST)
        scores = []
        for number in range(rounds):
            n = instance.oracle.ask_for(game.money, game.ledger)
            game.buy(strategy.select(game.view(strategy.needs), n, np.random.default_rng(number)), game.money)
            scores.append(instance.evaluate(game.model)["accuracy"])
        return float(np.mean(scores))

    other = first_strategy(strategy.query)
    both = [(area(dataclasses.replace(strategy), seed), area(other, seed)) for seed in range(seeds)]  # type: ignore[type-var]
    return float(np.mean([own for own, _ in both])), float(np.mean([random for _, random in both]))


@cache
def _cache() -> tempfile.TemporaryDirectory[str]:
    """One folder for the features of all blobs of this process, removed with it."""
    return tempfile.TemporaryDirectory(prefix="lbp-testing-")
