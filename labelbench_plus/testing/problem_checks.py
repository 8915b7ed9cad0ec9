"""What is asked of a problem."""

from __future__ import annotations

import gc
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from labelbench_plus import questions
from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator
from labelbench_plus.contracts.capabilities import Needs, offered_by_problem, offered_by_trainer
from labelbench_plus.contracts.problems import Place, Problem
from labelbench_plus.contracts.scores import Scored, UnusableScore
from labelbench_plus.contracts.trainers import Trainer
from labelbench_plus.oracle import AnswersPending, ItemOracle, QueryError, is_paid
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.nobody import Nobody, asking_nobody
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.resume import check_resumes
from labelbench_plus.testing.shown import check_shown, check_undeclared
from labelbench_plus.testing.subject import check_declaration, check_hyperparameters, check_names, check_pickles, fresh
from labelbench_plus.testing.toy_problem import any_trainer, first_strategy, trainer_for
from labelbench_plus.testing.witness import watched
from labelbench_plus.view import CapabilityError

SHARE = 0.05  # of a finite pool's price that the first round spends
MONEY = 200.0  # what it spends where the pool has no end
ROUNDS = 4


@dataclass
class Opened:
    """One problem and the ways to look at it."""

    problem: Problem

    def open(self, seed: int = 0, problem: Problem | None = None) -> Any:
        with tempfile.TemporaryDirectory() as folder, watched():
            return (problem or fresh(self.problem)).open(Place(Path(folder)), Streams(seed))

    @cached_property
    def instance(self) -> Any:
        return self.open()

    @property
    def money(self) -> float:
        capacity = self.problem.capacity()
        return max(math.ceil(SHARE * capacity), self.problem.max_price()) if math.isfinite(capacity) else MONEY

    def query(self, instance: Any, ledger: Ledger, seed: int = 0) -> Any:
        """What a baseline that needs no model asks for."""
        chooser = first_strategy(self.problem.query)
        view = instance.view(chooser.needs, ledger, None, self.money)
        return chooser.select(view, instance.oracle.ask_for(self.money, ledger), np.random.default_rng(seed))

    def need_free_answers(self) -> None:
        if is_paid(self.instance.oracle):
            raise Skip("somebody is paid for its answers, or must give them: nothing is bought")

    @cached_property
    def ledger(self) -> Ledger:
        """After a first round."""
        self.need_free_answers()
        ledger = Ledger()
        self.instance.oracle.answer(self.query(self.instance, ledger), self.money, ledger)
        return ledger

    @cached_property
    def trainer(self) -> Trainer:
        """A quick one of its task."""
        return trainer_for(frozenset(), self.problem.task) or any_trainer(self.problem.task)

    @cached_property
    def model(self) -> Any:
        data = self.instance.training_data(self.ledger, with_validation=self.trainer.uses_validation)
        return self.trainer.fit(data, Streams(0).round(0), None)


CHECKS: Checks[Opened] = Checks(Opened)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring, `query`, `task`, `unit` and `provides`",
    "follow `lbp new problem NAME`",
)
def _declaration(opened: Opened) -> None:
    problem = opened.problem
    check_declaration(problem, "problems")
    for name in ("query", "task", "unit"):
        if not isinstance(getattr(problem, name, None), str):
            raise Failure("declaration", f"{name} must be a word, got {getattr(problem, name, None)!r}")
    check_names(problem.provides, "provides")


@CHECKS.add("opens", "it can be made ready to run", "read the traceback of `open`", essential=True)
def _opens(opened: Opened) -> None:
    opened.open()


@CHECKS.add(
    "hyperparameters",
    "its record in a run builds an equal problem; unknown hyperparameters are refused",
    "use numbers, strings, booleans, tuples of these and other plugins as fields; do not change them in __post_init__",
)
def _hyperparameters(opened: Opened) -> str:
    return check_hyperparameters(opened.problem, "problems")


@CHECKS.add(
    "numbers",
    "capacity, highest price, validation labels, data set, facets and fingerprint are what they should be",
    "see the docstrings of Problem; a fingerprint is the same whenever it is asked for",
)
def _numbers(opened: Opened) -> None:
    problem = opened.problem
    demands = {
        "capacity() must be positive": problem.capacity() > 0,
        "max_price() must be positive and finite": 0 < problem.max_price() < math.inf,
        "validation_labels() must be a whole number": isinstance(problem.validation_labels(), int),
        "beside() must map names to whole numbers": all(
            isinstance(name, str) and isinstance(count, int) for name, count in problem.beside().items()
        ),
        "dataset_name() must be a name": bool(problem.dataset_name()) and isinstance(problem.dataset_name(), str),
        "facets() must map names to words": all(
            isinstance(part, str) for item in problem.facets().items() for part in item
        ),
        "fingerprint() must be a string that stays the same": isinstance(problem.fingerprint(), str)
        and problem.fingerprint() == fresh(problem).fingerprint(),
    }
    if broken := [what for what, met in demands.items() if not met]:
        raise Failure("numbers", "; ".join(broken))


@CHECKS.add(
    "sells",
    "its oracle sells what it declares, within the budget, and records it",
    "ask_for(allowance) is what answer(query, allowance) will take; see labelbench_plus.oracle.PoolOracle",
)
def _sells(opened: Opened) -> str:
    ledger, money = opened.ledger, opened.money
    if len(ledger.purchases) != 1:
        raise Failure("sells", f"one answer, {len(ledger.purchases)} purchases recorded")
    settled = opened.problem.settles_prices
    if not 0 <= ledger.spent <= money * (1 + 1e-9) or not (settled or ledger.spent):
        raise Failure("sells", f"for an allowance of {money:g} it charged {ledger.spent:g}")
    if money - ledger.spent >= opened.problem.max_price() * (1 + 1e-9) and not settled:
        raise Failure("sells", f"it left {money - ledger.spent:g}, enough for its most expensive label")
    return f"{ledger.purchases[0].labels} {opened.problem.unit} for {ledger.spent:g}"


@CHECKS.add(
    "refuses",
    "a query that breaks its contract is refused with QueryError, and nothing is charged",
    "check first, then charge, then reveal",
)
def _refuses(opened: Opened) -> None:
    for bad in (None, "everything", np.array([0.5, 1.5])):
        ledger = Ledger(list(opened.ledger.purchases))
        try:
            opened.instance.oracle.answer(bad, opened.money, ledger)
        except QueryError:
            if len(ledger.purchases) == 1:
                continue
            raise Failure("refuses", f"{bad!r} was refused, but charged") from None
        except Exception as error:
            raise Failure("refuses", f"{bad!r} gives {type(error).__name__}, not QueryError: {error}") from error
        raise Failure("refuses", f"{bad!r} was sold")
    oracle, again = opened.instance.oracle, questions.of(opened.problem.query).repeated(opened.ledger.purchases[0])
    if isinstance(oracle, ItemOracle) and np.isin(opened.ledger.items, oracle.candidates(opened.ledger)).any():
        return  # it says that they may be asked about again
    if again is not None:
        try:
            opened.instance.oracle.answer(again, opened.money, Ledger(list(opened.ledger.purchases)))
        except QueryError:
            return
        raise Failure("refuses", "the same items were sold twice")


@CHECKS.add(
    "annotator",
    "who is paid is asked about what is bought alone, told nothing of the answers, and charged for when they are there",
    "let the oracle say `paid`; fill in `Asked.reference` for others only; charge once the annotator has returned",
)
def _annotator(opened: Opened) -> str:
    if not isinstance(getattr(opened.problem, "annotator", None), Annotator):
        raise Skip("only the data are asked")
    instance = opened.open(problem=asking_nobody(fresh(opened.problem)))
    oracle, ledger = instance.oracle, Ledger()
    if not is_paid(oracle):
        raise Failure("annotator", "somebody is paid, and its oracle does not say so: replays and checks would ask")
    query = opened.query(instance, ledger)
    if Nobody.asked:
        raise Failure("annotator", f"{len(Nobody.asked)} questions were asked before anything was bought")
    try:
        oracle.answer(query, opened.money, ledger)
    except AnswersPending:
        pass
    else:
        raise Failure("annotator", "it sold answers that nobody has given yet: AnswersPending must come through")
    if ledger.purchases:
        raise Failure("annotator", f"{ledger.spent:g} was charged for answers that nobody has given yet")
    if len(Nobody.asked) != len(query):
        raise Failure("annotator", f"{len(query)} items were to be bought, {len(Nobody.asked)} questions were asked")
    if told := [each for each in Nobody.asked if each.reference is not None]:
        raise Failure("annotator", f"somebody who is paid is told what the data say, e.g. {told[0].reference!r}")
    return f"{len(Nobody.asked)} questions"


@CHECKS.add(
    "gate",
    "its views show what `provides` names, only to those who declare it",
    "build views on labelbench_plus.view.View",
)
def _gate(opened: Opened) -> None:
    view = opened.instance.view(frozenset(), opened.ledger, None, opened.money)
    for attribute, (capability, _) in view._providers.items():
        if attribute in view.served_to_all:
            continue
        try:
            getattr(view, attribute)
        except CapabilityError:
            continue
        raise Failure("gate", f"view.{attribute} can be read without declaring {capability!r}")
    declared = opened.instance.view(opened.problem.provides, opened.ledger, None, opened.money)
    for attribute, (capability, _) in declared._providers.items():
        if capability in opened.problem.provides:
            getattr(declared, attribute)


@CHECKS.add(
    "capabilities",
    "its views show everything that it and its trainers declare, in the declared shapes, and nothing else",
    "name in `provides` what views show; what trainers offer of a model `capabilities.providers_of_model` shows",
)
def _capabilities(opened: Opened) -> str:
    if questions.of(opened.problem.query).streamed:
        raise Skip("what strategies need of it is read while they choose, not from its views")
    problem, instance, trainer = opened.problem, opened.instance, opened.trainer
    ours, theirs = offered_by_problem(problem), offered_by_trainer(trainer)
    first = instance.view(frozenset(ours), opened.ledger, None, opened.money)
    check_undeclared(first, ours, "capabilities")
    shown = check_shown(first, ours, "capabilities", "it")
    later = instance.view(Needs(theirs, trainer), opened.ledger, opened.model, opened.money)
    of_model = check_shown(later, theirs, "capabilities", f"trainer {trainer.name!r}")
    return f"{shown}; of a model: {of_model}"


@CHECKS.add(
    "sealed",
    "nothing in a view leads to the oracle: not its attributes, closures or containers",
    "build providers in a free function that is handed tensors, as pool_providers does, not in a method",
)
def _sealed(opened: Opened) -> None:
    view = opened.instance.view(opened.problem.provides, opened.ledger, None, opened.money)
    oracle = opened.instance.oracle
    for thing in _reachable(view):
        if thing is oracle or thing is opened.instance:
            raise Failure("sealed", f"its view leads to the {'oracle' if thing is oracle else 'instance'}")


def _reachable(start: Any) -> Iterator[Any]:
    """Everything that can be reached from an object but through modules, classes and the globals of functions."""
    seen, waiting = {id(start)}, [start]
    while waiting:
        thing = waiting.pop()
        yield thing
        if hasattr(thing, "__closure__"):
            parts: list[Any] = list(thing.__closure__ or ()) + list(thing.__defaults__ or ())
        elif isinstance(thing, torch.Tensor | np.ndarray):
            parts = []
        else:
            parts = gc.get_referents(thing)
        for part in parts:
            if id(part) not in seen and not isinstance(part, ModuleType | type):
                seen.add(id(part))
                waiting.append(part)


@CHECKS.add(
    "training_data",
    "a trainer that does not use validation labels is not handed any",
    "training_data(ledger, with_validation=False) must leave them out",
)
def _training_data(opened: Opened) -> None:
    data = opened.instance.training_data(opened.ledger, with_validation=False)
    if getattr(data, "validation", None) is not None:
        raise Failure("training_data", "validation labels came with with_validation=False")
    labelled = getattr(data, "labelled", None)
    if labelled is not None and len(labelled.features) > opened.ledger.purchases[0].labels:
        raise Failure("training_data", f"{len(labelled.features)} labels, {opened.ledger.purchases[0].labels} bought")


@CHECKS.add(
    "evaluates",
    "its scores are finite, the same when asked again, and hold the one that ranks and all others it declares",
    "`evaluate` returns a dict of floats with primary_metric()[0] in it, or a `Scored` whose details JSON can hold",
)
def _evaluates(opened: Opened) -> str:
    try:
        scored, again = (Scored.of(opened.instance.evaluate(opened.model)).checked(None) for _ in range(2))
    except UnusableScore as error:
        raise Failure("evaluates", str(error)) from error
    scores = dict(scored.scores)
    if (score_bought := getattr(opened.instance, "score_bought", None)) is not None:
        scores |= score_bought(opened.ledger)
    metric, _ = opened.problem.primary_metric()
    if metric not in scores:
        raise Failure("evaluates", f"it ranks by {metric!r}, but scores {', '.join(scores)}")
    if (averaged := opened.problem.averaged_metric()) and averaged not in scores:
        raise Failure("evaluates", f"averages are to be taken of {averaged!r}, but it scores {', '.join(scores)}")
    for series in opened.problem.series():
        if missing := [name for name in series.scores() if name not in scores]:
            raise Failure("evaluates", f"it declares the series {series.name!r}, but has no score {missing[0]!r}")
    due = [shown.name for shown in opened.problem.shown_scores()]
    due += [name for guard in opened.problem.guards() for name in guard.scores]
    if missing := [name for name in due if name not in scores]:
        raise Failure("evaluates", f"boards are to show or to watch {missing[0]!r}, but it scores {', '.join(scores)}")
    if scored.scores != again.scores:
        raise Failure("evaluates", f"first {scored.scores}, then {again.scores}")
    if scored.details != again.details:
        raise Failure("evaluates", "its details differ when asked again")
    return ", ".join(f"{name} {value:.3f}" for name, value in scores.items())


@CHECKS.add(
    "repeatable",
    "opened twice with the same streams it sells and scores the same",
    "take every random number from streams",
)
def _repeatable(opened: Opened) -> None:
    again, ledger = opened.open(), Ledger()
    again.oracle.answer(opened.query(again, ledger), opened.money, ledger)
    if ledger.purchases[0].as_json() != opened.ledger.purchases[0].as_json():
        raise Failure("repeatable", "the same query to another instance of the same seed bought something else")
    if Scored.of(again.evaluate(opened.model)).scores != Scored.of(opened.instance.evaluate(opened.model)).scores:
        raise Failure("repeatable", "another instance of the same seed scores the same model differently")


@CHECKS.add(
    "resume",
    "a run that is interrupted after every round and resumes from its files commits the same bytes as one that is not",
    "let the streams and the ledger alone decide: no generator, counter or list that lives from round to round",
)
def _resume(opened: Opened) -> str:
    opened.need_free_answers()
    rounds = int(min(ROUNDS, opened.problem.capacity() // opened.money))
    amounts, chooser = (opened.money,) * rounds, first_strategy(opened.problem.query)
    with tempfile.TemporaryDirectory() as folder:
        check_resumes(RunSpec(opened.problem, opened.trainer, chooser, None, amounts, seed=0), Path(folder))
    return f"{rounds} rounds"


@CHECKS.add(
    "global_random",
    "it neither draws from nor seeds the global generators of NumPy, torch and Python",
    "take every random number from streams",
)
def _global_random(opened: Opened) -> None:
    opened.open(seed=1)


@CHECKS.add(
    "global_settings",
    "it changes no setting of the process: dtype, threads, gradients, error handling, folder, environment",
    "use the context managers instead of the setters",
)
def _global_settings(opened: Opened) -> None:
    opened.open(seed=1)


@CHECKS.add("pickles", "it can be sent to another process", "define the class at the top of a module")
def _pickles(opened: Opened) -> None:
    check_pickles(opened.problem)
