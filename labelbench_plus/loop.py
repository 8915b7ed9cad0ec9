"""The one loop: select, buy, train, evaluate, commit. Every family of method runs through it unchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.problems import Place
from labelbench_plus.measure import Meter, noted
from labelbench_plus.spec import RunSpec
from labelbench_plus.steps import Select, Steps, select_here
from labelbench_plus.store.lease import Lease
from labelbench_plus.store.run_store import RoundRecord, RunStore, StoreError

Listener = Callable[[RoundRecord, dict[str, float | None]], None]


def run(
    spec: RunSpec,
    store: RunStore,
    lease: Lease,
    place: Place,
    listener: Listener,
    select: Select = select_here,
    *,
    keep_model: bool = False,
) -> None:
    """Continue a run from its last committed round to its end.

    The state after a round is a function of the spec and the committed rounds alone, so a run that is killed at any
    moment and resumed commits the same bytes as one that was never stopped.

    Parameters
    ----------
    listener: called with every committed round and its costs, including those of earlier attempts.
    select: lets a strategy choose, here or in another process; the outcome is the same.
    keep_model: keep the last model in the run's folder, if its trainer saves models. It is not part of the run.
    """
    steps, ledger, model = Steps.of(spec, place), Ledger(), None
    committed = store.rounds()
    if len(committed) > len(spec.amounts):
        raise StoreError(f"{store.folder}: {len(committed)} rounds committed, but the spec has {len(spec.amounts)}")
    for record, costs in zip(committed, store.costs(), strict=True):
        ledger.record(record.purchase)
        listener(record, costs)
    keep_model = keep_model and not store.model_folder.exists()
    if committed and (keep_model or len(committed) < len(spec.amounts)):
        model = steps.model_after(ledger.purchases, lambda number: store.checkpoint(number, lease))

    names: Collection[str] | None = committed[0].scores if committed else None
    for number in range(len(committed), len(spec.amounts)):
        with Meter(place.device) as selection:
            notes = steps.choose(number, ledger, model, select)
        checkpoint = store.checkpoint(number, lease)
        # Two models at a time may be more than the device holds: the last one goes before the next is trained.
        previous, model = model if spec.trainer.continues else None, None
        with Meter(place.device) as training:
            model = steps.fit(number, ledger, previous, checkpoint)
        del previous
        with Meter(place.device) as evaluation:
            scored = steps.score(number, ledger, model, names)
        names = scored.scores.keys()
        record = RoundRecord(number, ledger.purchases[-1], ledger.spent, dict(scored.scores))
        costs = {
            "select_seconds": selection.seconds,
            "select_peak_bytes": selection.peak_bytes,
            "train_seconds": checkpoint.earlier_seconds + training.seconds,
            "train_peak_bytes": training.peak_bytes,
            "evaluate_seconds": evaluation.seconds,
            "evaluate_peak_bytes": evaluation.peak_bytes,
            "concurrency": place.concurrency,
            **notes,
            **noted("trainer", getattr(model, "notes", {})),
            **noted("problem", scored.notes),
        }
        record = store.commit(record, costs, lease, scored.details)
        listener(record, costs)
    if keep_model:
        store.keep_model(lambda folder: spec.trainer.save_model(model, folder), lease)
    store.finish(spec)
