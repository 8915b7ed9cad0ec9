"""The steps of a round, one by one: choose and buy, train, evaluate. `loop` puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from labelbench_plus import questions
from labelbench_plus.budget import Ledger, Purchase, allowance
from labelbench_plus.contracts.capabilities import Needs
from labelbench_plus.contracts.problems import Instance, Place
from labelbench_plus.contracts.scores import Scored, ScoreError, UnusableScore
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.contracts.trainers import Checkpoint
from labelbench_plus.measure import noted
from labelbench_plus.oracle import Again, QueryError
from labelbench_plus.plugins import is_built_in, label
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec
from labelbench_plus.view import CapabilityError, View

Select = Callable[[Strategy, View, int, Generator], Any]


class StrategyContractError(Exception):
    """A strategy broke its contract. The message names strategy, round, what was expected and what came."""


def select_here(strategy: Strategy, view: View, n: int, rng: Generator) -> Any:
    """Have a strategy choose in this process.

    Raises
    ------
    QueryError
        It wrote to its view, or asks for another run's purchase.
    """
    query = strategy.select(view, n, rng)
    if isinstance(query, Again):
        raise QueryError("expected a choice, got Again: only a run with a proxy has another run's purchase sold to it")
    if changed := view.changed():
        raise QueryError(f"expected the view to be left as it was, but {', '.join(changed)} was written to")
    return query


@dataclass(frozen=True)
class Steps:
    """The steps of a run's rounds: functions of the spec, the seed and what was bought before.

    `run` puts them in order; whoever does a part of a run again takes the ones it needs.

    Attributes
    ----------
    instance: the spec's problem, opened at its seed.
    """

    spec: RunSpec
    instance: Instance

    @classmethod
    def of(cls, spec: RunSpec, place: Place) -> Steps:
        return cls(spec, spec.problem.open(place, Streams(spec.seed)))

    def choose(
        self, number: int, ledger: Ledger, model: Any | None, select: Select = select_here
    ) -> dict[str, float | None]:
        """Have a round's strategy choose, and buy what it chose. Returns what was noted about both.

        Raises
        ------
        StrategyContractError
            What it did, or asked for, is not allowed.
        AnswersPending
            Somebody has to answer first; nothing was bought.
        """
        oracle = self.instance.oracle
        _, notes = self._ask(oracle.answer, number, ledger, model, select)
        return {**notes, **noted("annotator", getattr(oracle, "notes", {}))}  # a third-party oracle may have none

    def would_sell(self, number: int, ledger: Ledger, model: Any | None) -> tuple[np.ndarray, np.ndarray]:
        """Items (n, ...) that a round would buy, and the most they would cost (n,).

        Nothing is answered, nobody is paid, and the ledger is unchanged.
        """
        (items, prices), _ = self._ask(self.instance.oracle.sells, number, ledger, model, select_here)
        return np.asarray(items), np.asarray(prices)

    def would_buy(self, number: int, ledger: Ledger, model: Any | None) -> Purchase:
        """What a round would buy, with its answers: not for oracles that somebody is paid behind (`is_paid`).

        The ledger is unchanged.
        """
        copy = Ledger([*ledger.purchases])
        self.choose(number, copy, model)
        return copy.purchases[-1]

    def _ask(
        self,
        question: Callable[[Any, float, Ledger], Any],
        number: int,
        ledger: Ledger,
        model: Any | None,
        select: Select,
    ) -> tuple[Any, dict[str, float | None]]:
        """What the oracle says to a round's choice, and what its strategy noted."""
        chooser, oracle = self.spec.chooser(number), self.instance.oracle
        money = allowance(self.spec.amounts, number, ledger)
        view = self.instance.view(Needs(chooser.needs, self.spec.trainer), ledger, model, money)
        rng = Streams(self.spec.seed).round(number).rng("initial" if chooser is self.spec.initial else "strategy")
        try:
            query = select(chooser, view, oracle.ask_for(money, ledger), rng)
            self._check_form(query, chooser, number)
            said = question(query, money, ledger)
        except (QueryError, CapabilityError) as error:
            raise StrategyContractError(f"strategy {label(chooser)!r}, round {number}: {error}") from error
        return said, noted("strategy", view.notes)

    def _check_form(self, query: Any, chooser: Strategy, number: int) -> None:
        """Refuse a draw that uses hidden labels where the suite, which is public, does not name one.

        A strategy's word that it is honest counts for nothing here: a built-in one that says it uses labels that were
        not bought, as `initial`, in the first round. Every board that has such a round says so.
        """
        first = number == 0 and chooser is self.spec.initial
        if not questions.of(self.spec.problem.query).uses_hidden_labels(query):
            return
        if not (first and chooser.uses_hidden_labels and is_built_in(chooser)):
            raise QueryError(
                "expected a choice of its own, got a draw by classes, which uses labels that were not bought: only "
                "'stratified' as 'initial' makes one, in the first round"
            )

    def fit(self, number: int, ledger: Ledger, previous: Any | None, checkpoint: Checkpoint | None = None) -> Any:
        """The model of a round, whose purchase is the ledger's last, from the previous one's if the trainer wants it.

        Without a checkpoint nothing is taken up and nothing is kept.
        """
        trainer, streams = self.spec.trainer, Streams(self.spec.seed).round(number)
        data = self._data(ledger)
        if checkpoint is None:
            return trainer.fit(data, streams, previous)
        return trainer.fit_with_checkpoint(data, streams, previous, checkpoint)

    def model_after(
        self, purchases: Sequence[Purchase], checkpoint: Callable[[int], Checkpoint | None] = lambda number: None
    ) -> Any:
        """The model of the last round in which these were bought.

        It is restored if its trainer has kept it, else trained again; one that continues is led through all rounds.
        """
        trainer, last, model = self.spec.trainer, len(purchases) - 1, None
        if (kept := checkpoint(last)) is not None:
            streams = Streams(self.spec.seed).round(last)
            model = trainer.restore(self._data(Ledger([*purchases])), streams, kept)
        if model is None:
            for number in range(0 if trainer.continues else last, last + 1):
                model = self.fit(number, Ledger([*purchases[: number + 1]]), model, checkpoint(number))
        return model

    def score(self, number: int, ledger: Ledger, model: Any, names: Collection[str] | None) -> Scored:
        """What the problem says of the model of a round, and of what was bought.

        Parameters
        ----------
        ledger: up to this round.
        names: of the scores of an earlier round; None in the first one.

        Raises
        ------
        ScoreError
            A score is not finite, other scores came than before, or the model's predictions cannot be scored.
        """
        try:
            scored = Scored.of(self.instance.evaluate(model))
            if (score_bought := getattr(self.instance, "score_bought", None)) is not None:
                scored = replace(scored, scores={**scored.scores, **score_bought(ledger)})
            return scored.checked(names, may_be_none=not self.spec.problem.is_scored())
        except UnusableScore as error:
            raise ScoreError(f"trainer {label(self.spec.trainer)!r}, round {number}: {error}") from error

    def _data(self, ledger: Ledger) -> Any:
        return self.instance.training_data(ledger, with_validation=self.spec.trainer.uses_validation)
