"""`lbp answers`: what was asked and paid, and what no run holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelbench_plus.commands.common import DEFAULT_OUT, Answers, Out, Overrides, Plugins, load_runs
from labelbench_plus.shown import counted, say

if TYPE_CHECKING:
    from labelbench_plus.running.job import Where
    from labelbench_plus.spec import RunSpec


def answers(
    suite: Annotated[Path | None, typer.Argument(help="A suite whose runs are searched for orphans")] = None,
    overrides: Overrides = None,
    out: Out = DEFAULT_OUT,
    plugin: Plugins = None,
    answers: Answers = None,
) -> None:
    """Say what annotators who are paid, or are people, were asked, what it cost, and what of it no run holds.

    Orphans are answers that were paid for and not bought: of a round that was killed, and chose otherwise again, or
    whose candidates were written anew. What a run that is not done was answered is none yet: it may still be bought.

    Examples:
      lbp answers judged.yaml
      lbp answers --answers /shared/me/answers
    """
    from labelbench_plus.answering.balance import balances
    from labelbench_plus.running.job import Where
    from labelbench_plus.store.run_store import RunStore

    where, bought, undone = Where.here(out, answers=answers), None, 0
    if suite is not None:
        _, runs = load_runs(suite, overrides, plugin, out, answers=answers)
        bought = _bought(runs, where)
        undone = sum(not RunStore(where.root, spec.id).done for spec in runs)
    found = [*balances(where.answers, bought)]
    if not found:
        say(f"{where.answers}: no questions were asked")
    for each in found:
        model = f" ({each.about['model']})" if "model" in each.about else ""
        say(f"{each.folder}: {each.about.get('name', '?')}{model}")
        empty = f", {each.empty} of them empty" if each.empty else ""
        say(f"  {counted(each.answers, 'answer')}{empty}; {each.money:.4g} paid")
        if each.lost:
            say(f"  {each.lost:.4g} of that may have been billed for replies that never came")
        if each.asking or each.dead:
            died = f"; {each.dead} were asked by a process that ended first, and count as paid" if each.dead else ""
            say(f"  {counted(each.asking, 'question')} being asked now{died}")
        if each.orphans is not None:
            count, money = each.orphans
            later = f"; {counted(undone, 'run')} not done, which may buy them yet" if undone and count else ""
            told = (
                f"{counted(count, 'answer')} that no run of the suite bought, {money:.4g}{later}" if count else "none"
            )
            say(f"  orphans: {told}")


def _bought(runs: Sequence[RunSpec], where: Where) -> dict[str, set[str]]:
    """By annotator's folder, the keys of what runs bought; annotators are left out whose questions nobody knows."""
    from labelbench_plus.answering.bill import paid_annotators
    from labelbench_plus.answering.questions import folder_name, identity_of, key_of
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.seeding import Streams
    from labelbench_plus.store.run_store import RunStore

    found: dict[str, set[str]] = {}
    unknown = set[str]()
    for spec in runs:
        for annotator in paid_annotators(spec.problem):
            oracle = spec.problem.open_to_check(Place(where.cache, where.device), Streams(spec.seed)).oracle
            identity, name = identity_of(annotator), folder_name(annotator)
            keys = found.setdefault(name, set())
            for record in RunStore(where.root, spec.id).rounds():
                questions = oracle.questions_of(record.purchase)
                if questions is None:
                    unknown.add(name)
                    break
                keys |= {key_of(identity, question) for question in questions}
    return {name: keys for name, keys in found.items() if name not in unknown}
