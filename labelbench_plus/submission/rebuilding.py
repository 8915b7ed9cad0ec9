"""What can be checked of a run by building its problem: its id, its pool, what its labels cost and are, its first set.

The benchmark's own code is run on the hyperparameters that the config names, and no other code: see `strangers`.
"""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labelbench_plus import questions
from labelbench_plus.budget import Ledger, Purchase
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.problems import Place
from labelbench_plus.limited import out_of_memory
from labelbench_plus.oracle import ItemOracle, is_paid
from labelbench_plus.plugins import with_parts
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import VALIDATION, RunSpec, canonical, incompatibilities
from labelbench_plus.steps import Steps
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.strangers import Allowed, Objection, build, objections
from labelbench_plus.submission.arithmetic import check_bought_once, check_used_up
from labelbench_plus.submission.blind import check_chosen_blind, check_streamed
from labelbench_plus.submission.findings import Finding, some
from labelbench_plus.submission.grain import Denominators, denominators_of

STAND_IN = "random"  # takes the place of a strategy that is not here, and is never asked


@dataclass(eq=False)
class Described:
    """What runs say they are, in plugins of the benchmark. Nothing that a config names was opened or run for it.

    Attributes
    ----------
    specs: by run id, for those that may be built here.
    partly: specs with a strategy that stands in for one that may not: what was bought can be checked by them.
    findings: names that no plugin has; as warnings, what cannot be built here.
    """

    specs: dict[str, RunSpec] = field(default_factory=dict)
    partly: dict[str, RunSpec] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(eq=False)
class Rebuilt:
    """What came of building runs again.

    Attributes
    ----------
    specs: by run id, for those that have that id.
    whole: ids of the runs of which everything could be checked. What sources answer is left to replaying: only a pool's
        oracle can be asked for all it knows.
    findings: what is wrong; as warnings, what could not be checked here.
    denominators: by run id, of what its scores are shares.
    """

    specs: dict[str, RunSpec] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    denominators: dict[str, Denominators] = field(default_factory=dict)


def describe(runs: Iterable[dict[str, Any]], allowed: Allowed) -> Described:
    """The specs of runs, as far as `strangers` lets them be built."""
    described = Described()
    for run in runs:
        name, config = run["run"], run["config"]
        found = objections(config, allowed)
        described.findings += [_objected(run, objection) for objection in found]
        if any(objection.wrong for objection in found):
            continue
        if not found:
            try:
                described.specs[name] = RunSpec.from_json(config)
                continue
            except Exception as error:  # whatever a plugin says of hyperparameters that a stranger chose
                described.findings.append(_unchecked(run, "config", error))
        # Its strategy may not be here, but what it bought and from which first set can be checked without.
        with contextlib.suppress(Exception):
            described.partly[name] = build({**config, "strategy": {"name": STAND_IN}}, allowed)
    return described


def _objected(run: dict[str, Any], objection: Objection) -> Finding:
    what = objection.what if objection.wrong else f"not built here, so not all of it is checked: {objection.what}"
    remedy = f"the benchmark's own, or --allow {shlex.quote(objection.allow)}" if objection.allow else ""
    return Finding(ARCHIVE, what, run["run"], f"config.{objection.field}", remedy, warning=not objection.wrong)


def rebuild(runs: Sequence[dict[str, Any]], described: Described, place: Place) -> Rebuilt:
    """Open every run's problem again and compare what the run says with what it says."""
    rebuilt = Rebuilt()
    built = dict(described.partly)
    for run in runs:
        if (spec := described.specs.get(run["run"])) is None:
            continue
        try:
            found = spec.id
        except Exception as error:  # as above
            rebuilt.findings.append(_unchecked(run, "config", error))
            continue
        if found != run["run"]:
            data = run["result"]["identity"].get("data")
            differs = "data" if data != spec.identity["data"] else "config"
            where = "result.identity.data" if differs == "data" else "config"
            if differs == "data" and (reason := _varies(spec)):
                told = f"its data have other last bits here, so not all of it is checked: {reason}"
                rebuilt.findings.append(Finding(ARCHIVE, told, run["run"], where, warning=True))
                continue
            what = f"the {differs} does not hash to the run's id when it is built here"
            rebuilt.findings.append(Finding(ARCHIVE, what, run["run"], where, run["run"], found))
            continue
        rebuilt.specs[run["run"]] = built[run["run"]] = spec
        rebuilt.findings += _beside(run, spec)
        rebuilt.findings += [Finding(ARCHIVE, why, run["run"], "config") for why in incompatibilities(spec)]
    by_id = {run["run"]: run for run in runs}
    for run in runs:
        if run["run"] not in built:  # what its problem may allow is not known
            rebuilt.findings += [
                replace(found, warning=True) for found in (*check_used_up(run), *check_bought_once(run))
            ]
    # Runs on one problem at one seed share its data, which is opened once.
    groups: dict[tuple[bytes, int], list[str]] = {}
    for identity, spec in built.items():
        groups.setdefault((canonical(spec.as_json()["problem"]), spec.seed), []).append(identity)
    for key in sorted(groups):
        _check_group([(by_id[identity], built[identity]) for identity in groups[key]], place, rebuilt)
    return rebuilt


def _varies(spec: RunSpec) -> str | None:
    """Why a run's data may differ in their last bits between machines."""
    datasets = (part for part in with_parts(spec.problem) if isinstance(part, Dataset))
    return next(filter(None, (dataset.varies_by_machine() for dataset in datasets)), None)


def _unchecked(run: dict[str, Any], where: str, error: BaseException) -> Finding:
    text = str(error).partition("\n")[0] or type(error).__name__
    if out_of_memory(error):
        return Finding(ARCHIVE, f"needs more memory than a check has, see --megabytes: {text}", run["run"], where)
    what = f"could not be built here, so not all of it is checked: {text}"
    return Finding(ARCHIVE, what, run["run"], where, warning=True)


def _check_group(group: Sequence[tuple[dict[str, Any], RunSpec]], place: Place, rebuilt: Rebuilt) -> None:
    spec = group[0][1]
    try:
        instance = spec.problem.open_to_check(place, Streams(spec.seed))
        oracle = instance.oracle
        truth = questions.of(spec.problem.query).everything(oracle)
        first: dict[bytes, list[Any]] = {}
        scored = denominators_of(instance)
        for run, spec in group:
            if not spec.problem.settles_prices:
                rebuilt.findings += check_used_up(run)
            rebuilt.findings += _on_sale(run, oracle) if isinstance(oracle, ItemOracle) else check_bought_once(run)
            rebuilt.findings += check_streamed(run, spec, instance)
            if truth is not None:
                rebuilt.findings += _against_pool(run, spec, truth)
            if spec.initial is not None:
                key = canonical([spec.as_json()["initial"], spec.amounts[0]])
                if key not in first:
                    first[key] = Steps(spec, instance).would_sell(0, Ledger(), None)[0].tolist()
                rebuilt.findings += _against_first(run, first[key])
            if run["run"] in rebuilt.specs:
                rebuilt.denominators[run["run"]] = scored
                if not any(found.run == run["run"] for found in rebuilt.findings):  # its purchases can be replayed
                    rebuilt.findings += check_chosen_blind(run, spec, instance)
            if is_paid(oracle):
                what = "somebody is paid for its answers, so they were not asked for again"
                rebuilt.findings.append(Finding(ARCHIVE, what, run["run"], "config.problem", warning=True))
            elif run["run"] in rebuilt.specs:
                rebuilt.whole.add(run["run"])
    except Exception as error:  # as above
        rebuilt.findings += [_unchecked(run, "config.problem", error) for run, _ in group]


def _beside(run: dict[str, Any], spec: RunSpec) -> Iterator[Finding]:
    """Whether a run declares what its plugins use beside the budget."""
    said = {VALIDATION: run["manifest"].get("validation_labels", 0), **(run["manifest"].get("beside") or {})}
    said, due = ({name: count for name, count in lines.items() if count} for lines in (said, spec.beside))
    if said != due:
        what = "declares other lines beside the budget than its plugins use"
        yield Finding(ARCHIVE, what, run["run"], "manifest.beside", str(due or "none"), str(said or "none"))


def _on_sale(run: dict[str, Any], oracle: ItemOracle) -> Iterator[Finding]:
    """Whether what was bought in each round could be bought then."""
    ledger = Ledger()
    for number, record in enumerate(run["rounds"]):
        purchase = Purchase.from_json(record["purchase"])
        bought = purchase.items[np.isin(purchase.items, np.setdiff1d(ledger.items, oracle.candidates(ledger)))]
        if len(bought):
            where = f"rounds.{number}.purchase.items"
            what = "items were bought in an earlier round"
            yield Finding(ARCHIVE, what, run["run"], where, "indices not bought yet", some(sorted(bought.tolist())))
        if not ((purchase.items >= 0) & (purchase.items < oracle.size)).all():
            return  # `_against_pool` says so
        ledger.purchases.append(purchase)


def _against_pool(run: dict[str, Any], spec: RunSpec, truth: Purchase) -> Iterator[Finding]:
    size, left = len(truth.items), spec.problem.max_price()
    spent = 0.0
    for number, record in enumerate(run["rounds"]):
        said, place = Purchase.from_json(record["purchase"]), f"rounds.{number}.purchase"
        if said.items.dtype.kind != "i":
            yield Finding(ARCHIVE, "this problem sells items of a pool", run["run"], f"{place}.items", "pool indices")
            return
        if len(outside := said.items[said.items >= size]):
            where = f"{place}.items"
            yield Finding(
                ARCHIVE, "items are not in the pool", run["run"], where, f"0 to {size - 1}", some(outside.tolist())
            )
            continue
        due = truth.at(said.items)
        if said.kind not in (None, due.kind) or (said.answers.dtype != due.answers.dtype and len(said.answers)):
            form = f"{due.kind.name if due.kind else 'no kind'}, {due.answers.dtype}"
            yield Finding(ARCHIVE, "answers are of another kind than the oracle's", run["run"], f"{place}.kind", form)
            continue
        written, sold = said.as_json(), due.as_json()
        for name, right in (("prices", said.prices == due.prices), ("answers", said.same_answers(due))):
            if len(wrong := np.flatnonzero(~right)):
                k = int(wrong[0])
                yield Finding(
                    ARCHIVE,
                    f"{name} are not the oracle's, for {len(wrong)} of {len(said.items)} items",
                    run["run"],
                    f"{place}.{name}.{k}",
                    f"{sold[name][k]} for item {said.items[k]}",
                    str(written[name][k]),
                )
        cost, may = math.fsum(due.prices), sum(spec.amounts[: number + 1]) - spent
        if may - cost >= left > 1 and number + 1 < len(run["rounds"]) and not spec.problem.settles_prices:
            yield Finding(
                ARCHIVE, "under budget", run["run"], place, f"less than {left:g} left over", f"{may - cost:g}"
            )
        spent += cost


def _against_first(run: dict[str, Any], due: list[Any]) -> Iterator[Finding]:
    """Whether the first round bought what it buys for every strategy at a seed."""
    said = run["rounds"][0]["purchase"]["items"]
    if said != due:
        common = len(set(map(str, said)) & set(map(str, due)))
        yield Finding(
            ARCHIVE,
            f"the first set is not the one that the seed gives; {common} of {len(due)} items are",
            run["run"],
            "rounds.0.purchase.items",
            some(due),
            some(said),
        )
