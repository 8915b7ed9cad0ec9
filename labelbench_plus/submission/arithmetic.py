"""What can be checked from a run's own line: identity, chain of hashes, sums, ranges."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

from labelbench_plus.budget import Purchase
from labelbench_plus.oracle import ROUNDING
from labelbench_plus.spec import canonical
from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.store.details import digest
from labelbench_plus.submission.findings import Finding, some

BETWEEN_0_AND_1 = ("accuracy", "f1", "ece")  # endings of the names of scores that are shares
MOST_SHOWN = 200  # characters of a value in a message
NOT_BELOW_0 = ("risk", "loss")
MEASURED = ("seconds", "bytes", "attempt", "concurrency")  # endings of the names of costs that cannot be below zero
OF_CLASSES = "nll"  # is of probabilities; one of another name is of densities, whose logarithm may have any sign


def check_run(run: dict[str, Any]) -> Iterator[Finding]:
    """All contradictions within one well-formed line of the archive."""
    for check in (_identity, _chain, _money, _costs, _items, _scores, _details, _result):
        yield from check(run)


def _found(run: dict[str, Any], field: str, what: str, expected: Any = "", actual: Any = "") -> Finding:
    return Finding(ARCHIVE, what, str(run["run"]), field, _brief(expected), _brief(actual))


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _identity(run: dict[str, Any]) -> Iterator[Finding]:
    identity, config = run["result"]["identity"], run["config"]
    if (digest := hashlib.sha256(canonical(identity)).hexdigest()[:16]) != run["run"]:
        yield _found(run, "result.identity", "the id is not the hash of what the run is", digest, run["run"])
    for place in ("manifest", "result"):
        if run[place]["run"] != run["run"]:
            yield _found(run, f"{place}.run", "speaks of another run", run["run"], run[place]["run"])
    if run["manifest"]["identity"] != identity:
        yield _found(run, "manifest.identity", "differs from result.identity")
    for field in config:
        if field not in identity or not _within(identity[field], config[field]):
            yield _found(run, f"config.{field}", "is not what the id stands for", identity.get(field), config[field])
    yield from _selection(run)
    if "data" not in identity:
        yield _found(run, "result.identity.data", "missing: the hash of the data belongs to what a run is")


def _selection(run: dict[str, Any]) -> Iterator[Finding]:
    """Whether a run with a proxy names the run that chose its labels: that which has the proxy for a trainer."""
    identity, said = dict(run["result"]["identity"]), run["manifest"].get("selection")
    proxy, weights = identity.pop("proxy", None), identity.pop("weights", None)
    due = None
    if proxy is not None:
        own = weights[-1] if isinstance(weights, list) and weights else ""  # the trainer's first, then the proxy's
        chooser = {**identity, "trainer": proxy, **({"weights": [own]} if own else {})}
        due = hashlib.sha256(canonical(chooser)).hexdigest()[:16]
    if (said["run"] if said else None) != due:
        what = "is not the run that the proxy chose the labels in" if due else "names one, but the run has no proxy"
        yield _found(run, "manifest.selection", what, due or "", said)


def _within(identity: Any, config: Any) -> bool:
    """Whether a config says all that an identity does. It may say more: where things lie is no part of an identity."""
    if isinstance(identity, dict) and isinstance(config, dict):
        return all(key in config and _within(value, config[key]) for key, value in identity.items())
    if isinstance(identity, list) and isinstance(config, list):
        return len(identity) == len(config) and all(map(_within, identity, config))
    return bool(identity == config)


def _chain(run: dict[str, Any]) -> Iterator[Finding]:
    previous = run["run"]
    for number, record in enumerate(run["rounds"]):
        if record["round"] != number:
            yield _found(run, f"rounds.{number}.round", "rounds are not in order", number, record["round"])
        if record["previous"] != previous:
            yield _found(
                run, f"rounds.{number}.previous", "does not follow from the round before", previous, record["previous"]
            )
        previous = hashlib.sha256(canonical(record) + b"\n").hexdigest()
    if run["result"]["head"] != previous:
        yield _found(run, "result.head", "is not the hash of the last round", previous, run["result"]["head"])


def _money(run: dict[str, Any]) -> Iterator[Finding]:
    amounts, spent = run["config"]["amounts"], 0.0
    if len(run["rounds"]) != len(amounts):
        yield _found(run, "rounds", "not as many rounds as the schedule has", len(amounts), len(run["rounds"]))
    if len(run["costs"]) != len(run["rounds"]):
        yield _found(run, "costs", "not one for each round", len(run["rounds"]), len(run["costs"]))
    for number, record in enumerate(run["rounds"][: len(amounts)]):
        purchase, may = record["purchase"], sum(amounts[: number + 1]) - spent
        cost = math.fsum(purchase["prices"])
        if cost > may * (1 + ROUNDING):
            yield _found(run, f"rounds.{number}.purchase", "over budget", f"at most {may:g}", f"{cost:g}")
        spent += cost
        if not math.isclose(record["spent"], spent, rel_tol=1e-9):
            yield _found(
                run, f"rounds.{number}.spent", "is not the sum of the prices so far", f"{spent:g}", record["spent"]
            )


def _costs(run: dict[str, Any]) -> Iterator[Finding]:
    for number, costs in enumerate(run["costs"]):
        for name, value in sorted(costs.items()):
            if value is not None and value < 0 and name.endswith(MEASURED):
                yield _found(run, f"costs.{number}.{name}", "cannot be below zero", "0 or more", value)


def check_used_up(run: dict[str, Any]) -> Iterator[Finding]:
    """Whether no pool item is free, and every round spends its allowance where labels cost one unit.

    For problems that know prices before.
    """
    amounts, spent = run["config"]["amounts"], 0.0
    for number, record in enumerate(run["rounds"][: len(amounts)]):
        purchase, may = record["purchase"], sum(amounts[: number + 1]) - spent
        cost = math.fsum(purchase["prices"])
        if free := [item for item, price in zip(_pool_items(purchase), purchase["prices"], strict=False) if price == 0]:
            yield _found(run, f"rounds.{number}.purchase.prices", "items came for nothing", "prices", some(free))
        if purchase.get("counts") is None and all(price == 1 for price in purchase["prices"]) and may - cost >= 1:
            yield _found(run, f"rounds.{number}.purchase", "under budget", f"{math.floor(may)} labels", f"{cost:g}")
        spent += cost


def check_bought_once(run: dict[str, Any]) -> Iterator[Finding]:
    """Whether no item of a pool was bought in two rounds: for problems that sell each of them once."""
    bought: set[int] = set()
    for number, record in enumerate(run["rounds"]):
        if not (items := _pool_items(record["purchase"])):
            continue
        if again := sorted(bought.intersection(items)):
            where = f"rounds.{number}.purchase.items"
            yield _found(run, where, "items were bought in an earlier round", "indices not bought yet", some(again))
        bought.update(items)


def _items(run: dict[str, Any]) -> Iterator[Finding]:
    for number, record in enumerate(run["rounds"]):
        purchase, place = record["purchase"], f"rounds.{number}.purchase"
        count = len(purchase["items"])
        for name in ("prices", "answers", "counts", "asked"):
            if purchase.get(name) is not None and len(purchase[name]) != count:
                yield _found(run, f"{place}.{name}", "not one for each item", count, len(purchase[name]))
        once: set[int] = set()
        items = _pool_items(purchase)
        if twice := [item for item in items if item in once or once.add(item)]:  # type: ignore[func-returns-value]
            yield _found(run, f"{place}.items", "items come more than once in a round", "distinct indices", some(twice))
        try:
            Purchase.from_json(purchase).check()
        except ValueError as error:
            yield _found(run, f"{place}.answers", "cannot be read", "answers of the kind it names", error)


def _pool_items(purchase: dict[str, Any]) -> list[int]:
    """The items of a pool that a purchase lists; none where it is of sources, which may be asked again."""
    items: list[int] = purchase["items"]
    return items if purchase.get("counts") is None and all(isinstance(item, int) for item in items) else []


def _scores(run: dict[str, Any]) -> Iterator[Finding]:
    names = set(run["rounds"][0]["scores"])
    for number, record in enumerate(run["rounds"]):
        if set(record["scores"]) != names:
            yield _found(
                run, f"rounds.{number}.scores", "other scores than in round 0", sorted(names), sorted(record["scores"])
            )
        for name, value in sorted(record["scores"].items()):
            place = f"rounds.{number}.scores.{name}"
            if name.endswith(BETWEEN_0_AND_1) and not 0 <= value <= 1:
                yield _found(run, place, "out of its range", "0 to 1", value)
            elif (name == OF_CLASSES or name.endswith(NOT_BELOW_0)) and value < 0:
                yield _found(run, place, "out of its range", "0 or more", value)


def _details(run: dict[str, Any]) -> Iterator[Finding]:
    details = run.get("details")
    if details is None:
        return
    if len(details) != len(run["rounds"]):
        yield _found(run, "details", "not one entry for each round", len(run["rounds"]), len(details))
    for number, (record, tables) in enumerate(zip(run["rounds"], details, strict=False)):
        said = record.get("details")
        if tables is not None and (found := digest(tables)) != said:
            yield _found(run, f"details.{number}", "are not those that the round names by their hash", said, found)


def _result(run: dict[str, Any]) -> Iterator[Finding]:
    result, rounds = run["result"], run["rounds"]
    labels, total = [], 0
    for record in rounds:
        counts = record["purchase"].get("counts")
        total += len(record["purchase"]["items"]) if counts is None else sum(counts)
        labels.append(total)
    if any(now < before for before, now in zip(result["labels"], result["labels"][1:], strict=False)):
        yield _found(run, "result.labels", "the count of labels falls", "counts that never fall", result["labels"])
    elif result["labels"] != labels:
        yield _found(run, "result.labels", "is not what the rounds bought", labels, result["labels"])
    if result["rounds"] != len(rounds):
        yield _found(run, "result.rounds", "is not the number of rounds", len(rounds), result["rounds"])
    if result["spent"] != [record["spent"] for record in rounds]:
        yield _found(run, "result.spent", "differs from what the rounds spent")
    curves: dict[str, list[float]] = {}
    for record in rounds:
        for name, value in record["scores"].items():
            curves.setdefault(name, []).append(value)
    for name in sorted(curves.keys() | result["scores"].keys()):
        if curves.get(name) != result["scores"].get(name):
            yield _found(
                run, f"result.scores.{name}", "differs from the rounds", curves.get(name), result["scores"].get(name)
            )
