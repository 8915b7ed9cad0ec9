"""Money, before a command spends any: the bill that its runs may come to, and the purse they are paid from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from labelbench_plus.commands.common import stop
from labelbench_plus.shown import counted, say

if TYPE_CHECKING:
    from labelbench_plus.contracts.annotators import Annotator, Purse
    from labelbench_plus.contracts.problems import Problem
    from labelbench_plus.oracle import Oracle
    from labelbench_plus.running.job import Job, Where
    from labelbench_plus.spec import RunSpec


def undone(runs: Sequence[RunSpec], work: Iterable[Job]) -> list[RunSpec]:
    """The runs that jobs carry out, those included that choose their labels."""
    left = {job.run_id for job in work}
    return [*{spec.selection.id: spec.selection for spec in runs if spec.id in left}.values()]


def purse_for(runs: Sequence[RunSpec], where: Where, pay: float | None) -> Purse | None:
    """What a command may pay from. Ends it where somebody has to be paid, and nobody said how much may be.

    Parameters
    ----------
    runs: that are left to do. pay: what may be paid at most.
    """
    from labelbench_plus.contracts.annotators import Purse

    asked = list(_asked(runs))
    for annotator in asked if pay != 0 else ():
        try:
            annotator.check_ready()
        except (ValueError, OSError) as error:
            stop(str(error))
    takers = [annotator for annotator in asked if annotator.takes_money]
    if takers and pay is None:
        show_bill(runs, where)
        stop("nothing was done: say how much may be paid at most, e.g. --pay 5; 0 makes do with the answers there are")
    if pay is not None and runs and not takers:
        stop("--pay: no paid annotator is left to ask; leave it out")
    return None if pay is None else Purse(uuid.uuid4().hex, pay)


def show_bill(runs: Sequence[RunSpec], where: Where) -> None:
    """Print who is asked, what they are sent, and what that may cost at most."""
    from labelbench_plus.answering.bill import bill

    asked = list(_asked(runs))
    if not asked:
        say("no annotator is paid")
    for annotator in asked:
        try:
            found = bill(annotator, _questions(runs, annotator, where), where.answers)
        except (ValueError, OSError) as error:
            stop(str(error))
        if found.example is not None and (told := annotator.disclosed(found.example)):
            say(told)
        there = f"; {found.answered} are answered already" if found.answered else ""
        say(f"{annotator.name}: {counted(found.runs, 'run')}, up to {counted(found.questions, 'question')}{there}")
        if found.money is not None:
            say(f"  worst-case bill: {found.money:.4g}, if every answer is as long as it may be")
        elif annotator.takes_money:
            say("  the bill cannot be foreseen, as its questions are written during the runs; --pay limits it")


def _asked(runs: Iterable[RunSpec]) -> dict[Annotator, None]:
    from labelbench_plus.answering.bill import paid_annotators

    return {annotator: None for spec in runs for annotator in paid_annotators(spec.problem)}


def _questions(
    runs: Sequence[RunSpec], annotator: Annotator, where: Where
) -> Iterable[tuple[Sequence[Any] | None, int]]:
    """What each run may ask an annotator, and how many of it at most."""
    from labelbench_plus.answering.bill import paid_annotators
    from labelbench_plus.budget import Ledger
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.seeding import Streams

    opened: dict[tuple[Problem, int], tuple[Sequence[Any] | None, Oracle]] = {}
    for spec in runs:
        if annotator not in paid_annotators(spec.problem):
            continue
        key = spec.problem, spec.seed
        if key not in opened:
            oracle = spec.problem.open_to_check(Place(where.cache, where.device), Streams(spec.seed)).oracle
            opened[key] = oracle.questions(), oracle
        questions, oracle = opened[key]
        yield questions, oracle.ask_for(sum(spec.amounts), Ledger())
