"""Small real problems, one for each kind of query, opened by the code that opens them in a run."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.capabilities import OF_TASK, Needs, offered_by_problem
from labelbench_plus.contracts.datasets import Dataset, LabelledData, Split
from labelbench_plus.contracts.metrics import metrics
from labelbench_plus.contracts.problems import Instance, Place, Problem
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.plugins import registry
from labelbench_plus.problems.classification import Classification, ClassificationInstance
from labelbench_plus.seeding import Streams
from labelbench_plus.testing.report import Skip

CLASSES, WIDTH, POOL, TEST = 4, 6, 140, 200
FIRST = 12  # labels of the first round
PAIRS = {
    "name": "image_text",
    "pool": {"name": "generated_pairs", "rows": 400, "shards": 2, "width": 16, "concepts": 8, "wanted": 3},
}
CAPTIONED = {
    "name": "image_text",
    "pool": {"name": "captioned_images", "dataset": "digits", "wanted": [0, 1, 2], "pairs": 200},
    "retrieval_among": 16,
}
MOSAICS = {
    "name": "multilabel",
    "dataset": {"name": "mosaics", "dataset": "digits", "pool": POOL, "validation": 20, "test": TEST},
    "encoder": "pixels",
}
EXAMPLES: tuple[dict[str, Any], ...] = (
    MOSAICS,
    {"name": "synthetic_sources", "heads": "generic", "dimension": 12, "rank": 3, "sources": 8},
    {"name": "task_space", "inputs": "bilinear", "dimension": 8, "tasks": 5, "target_labels": 100, "test_size": 200},
    PAIRS,
    CAPTIONED,
)
LINEAR = {"name": "logistic_regression", "l2": 1.0}
MEMBERS = {"name": "mlp", "hidden": 16, "steps": 15, "dropout": 0.2, "passes": 5}
FIRST_BY = {"pool": "random", "sources": "uniform_sources", "pairs": "random_pairs"}
MONEY = {"pool": 8.0, "sources": 200.0, "pairs": 40.0}


@dataclass
class Game:
    """A run in the middle of it: a first round was bought and a model trained on it."""

    instance: Instance
    trainer: Trainer | None
    streams: Streams
    money: float
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


def example_problem(query: str, capabilities: frozenset[str] = frozenset()) -> Problem:
    """A small problem that answers this kind of query for strategies with these needs; see `blobs` for the usual one.

    Raises
    ------
    Skip
        No example of that kind comes with the kit.
    """
    for example in EXAMPLES:
        problem: Problem = registry("problems").build(example)
        if problem.query == query:
            with contextlib.suppress(Skip):
                trainer_for(capabilities - {*offered_by_problem(problem)}, problem.task)
                return problem
    raise Skip(f"the kit has no example of a problem that sells {query!r} with what the strategy needs")


def game_for(strategy: Strategy, seed: int = 0, problem: Problem | None = None) -> Game:
    """A game that this strategy can go on with, on `problem` if given."""
    streams = Streams(seed)
    if strategy.query == "pool" and problem is None and "label_probabilities" not in strategy.needs:
        instance: Instance = blobs(seed)
        provides, task = frozenset({"features"}) | OF_TASK[Classification.task], Classification.task
    else:
        problem = problem or example_problem(strategy.query, strategy.needs)
        with tempfile.TemporaryDirectory() as folder:
            instance = problem.open(Place(Path(folder)), streams)
        provides, task = frozenset(offered_by_problem(problem)), problem.task
    game = Game(instance, trainer_for(strategy.needs - provides, task), streams, MONEY[strategy.query])
    first: Strategy = registry("strategies").build(FIRST_BY[strategy.query])
    money = FIRST if strategy.query == "pool" else game.money
    view = game.instance.view(first.needs, game.ledger, None, money)
    game.buy(first.select(view, game.instance.oracle.ask_for(money, game.ledger), streams.rng("initial")), money)
    return game


def example_game(task: str) -> Game:
    """A game of some problem of this task, after a first round.

    Raises
    ------
    Skip
        No example of that task comes with the kit.
    """
    for example in EXAMPLES:
        problem: Problem = registry("problems").build(example)
        if problem.task == task and example != PAIRS:  # those can be chosen from, but nothing is trained on them
            return game_for(registry("strategies").build(FIRST_BY[problem.query]), 0, problem)
    raise Skip(f"the kit has no example of a problem of {task!r}")


def trainer_for(capabilities: frozenset[str], task: str) -> Trainer | None:
    """A quick trainer whose models offer these capabilities; none if nothing is asked of it.

    Raises
    ------
    Skip
        No trainer offers them: then no suite could run the strategy here either.
    """
    found = registry("trainers")
    if task == Classification.task and "member_probabilities" in capabilities:
        return found.build(MEMBERS)
    if task == Classification.task and capabilities <= {"probabilities", "embeddings"}:
        return found.build(LINEAR)
    if not capabilities and task != Classification.task:
        return None
    for name in found.entries():
        cls = found.load(name)
        if cls.task == task and isinstance(cls.provides, frozenset) and capabilities <= cls.provides:
            return found.build(name)
    raise Skip(f"no installed trainer of {task} offers {', '.join(sorted(capabilities))}")


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


def blobs(seed: int = 0, hidden: np.ndarray | None = None, spread: float = 1.0) -> ClassificationInstance:
    """The problem of telling blobs apart, made ready as it is for a run.

    Parameters
    ----------
    hidden: (140,) what the oracle says of each pool item instead of its true class.
    """
    dataset = Blobs(seed, spread, "" if hidden is None else "".join(map(str, hidden.tolist())))
    problem = Classification(dataset, registry("encoders").build("identity"), metrics=(metrics.build("accuracy"),))
    return problem.open(Place(Path(_cache().name)), Streams(seed))


@cache
def _cache() -> tempfile.TemporaryDirectory[str]:
    """One folder for the features of all blobs of this process, removed with it."""
    return tempfile.TemporaryDirectory(prefix="lbp-testing-")
