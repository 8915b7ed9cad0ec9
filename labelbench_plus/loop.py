"""The one loop: select, buy, train, evaluate, commit. Every family of method runs through it unchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from numpy.random import Generator

from labelbench_plus.budget import Ledger, allowance
from labelbench_plus.contracts.problems import Instance, Place
from labelbench_plus.contracts.scores import Scored, ScoreError, UnusableScore
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.measure import Meter, noted
from labelbench_plus.oracle import QueryError
from labelbench_plus.plugins import label
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.lease import Lease
from labelbench_plus.store.run_store import RoundRecord, RunStore, StoreError
from labelbench_plus.view import CapabilityError, View

Listener = Callable[[RoundRecord, dict[str, float | None]], None]
Select = Callable[[Strategy, View, int, Generator], Any]


class StrategyContractError(Exception):
    """A strategy broke its contract. The message names strategy, round, what was expected and what came."""


def select_here(strategy: Strategy, view: View, n: int, rng: Generator) -> Any:
    """Have a strategy choose in this process.

    Raises
    ------
    QueryError
        It wrote to its view.
    """
    query = strategy.select(view, n, rng)
    if changed := view.changed():
        raise QueryError(f"expected the view to be left as it was, but {', '.join(changed)} was written to")
    return query


def score(spec: RunSpec, instance: Instance, model: Any, number: int, names: Collection[str] | None) -> Scored:
    """What the problem says of the model of a round.

    Parameters
    ----------
    names: of the scores of an earlier round; None in the first one.

    Raises
    ------
    ScoreError
        A score is not finite, other scores came than before, or the model's predictions cannot be scored.
    """
    try:
        return Scored.of(instance.evaluate(model)).checked(names)
    except UnusableScore as error:
        raise ScoreError(f"trainer {label(spec.trainer)!r}, round {number}: {error}") from error


def run(
    spec: RunSpec, store: RunStore, lease: Lease, place: Place, listener: Listener, select: Select = select_here
) -> None:
    """Carry a run from its last committed round to its end.

    The state after a round is a function of the spec and the committed rounds alone, so a run that was killed at any
    instant and is called again commits the same bytes as one that was never stopped.

    Parameters
    ----------
    listener: called with every committed round and its costs, those of earlier attempts included.
    select: has a strategy choose, here or elsewhere; it does not matter for the outcome.
    """
    streams = Streams(spec.seed)
    instance = spec.problem.open(place, streams)
    ledger, model = Ledger(), None

    def fit(number: int) -> tuple[Any, float]:
        """The model of a round, and the seconds that earlier attempts had trained it for."""
        data = instance.training_data(ledger, with_validation=spec.trainer.uses_validation)
        previous = model if spec.trainer.continues else None
        checkpoint = store.checkpoint(number, lease)
        fitted = spec.trainer.fit_with_checkpoint(data, streams.round(number), previous, checkpoint)
        return fitted, checkpoint.earlier_seconds

    committed = store.rounds()
    if len(committed) > len(spec.amounts):
        raise StoreError(f"{store.folder}: {len(committed)} rounds committed, but the spec has {len(spec.amounts)}")
    for record, costs in zip(committed, store.costs(), strict=True):
        ledger.record(record.purchase)
        listener(record, costs)
        last = record.number == len(committed) - 1
        if len(committed) < len(spec.amounts) and (last or spec.trainer.continues):
            model, _ = fit(record.number)

    names: Collection[str] | None = committed[0].scores if committed else None
    for number in range(len(committed), len(spec.amounts)):
        chooser = spec.chooser(number)
        money = allowance(spec.amounts, number, ledger)
        with Meter(place.device) as selection:
            view = instance.view(chooser.needs, ledger, model, money)
            rng = streams.round(number).rng("initial" if chooser is spec.initial else "strategy")
            try:
                query = select(chooser, view, instance.oracle.ask_for(money, ledger), rng)
                instance.oracle.answer(query, money, ledger)
            except (QueryError, CapabilityError) as error:
                raise StrategyContractError(f"strategy {label(chooser)!r}, round {number}: {error}") from error
        with Meter(place.device) as training:
            model, earlier_seconds = fit(number)
        with Meter(place.device) as evaluation:
            scored = score(spec, instance, model, number, names)
        names = scored.scores.keys()
        record = RoundRecord(number, ledger.purchases[-1], ledger.spent, dict(scored.scores))
        costs = {
            "select_seconds": selection.seconds,
            "select_peak_bytes": selection.peak_bytes,
            "train_seconds": earlier_seconds + training.seconds,
            "train_peak_bytes": training.peak_bytes,
            "evaluate_seconds": evaluation.seconds,
            "evaluate_peak_bytes": evaluation.peak_bytes,
            "concurrency": place.concurrency,
            **noted("strategy", view.notes),
            **noted("trainer", getattr(model, "notes", {})),
            **noted("problem", scored.notes),
        }
        record = store.commit(record, costs, lease, scored.details)
        listener(record, costs)
    store.finish(spec)
