"""Whether an evaluation could have given a score: whole counts where it is a share of a test set, and not rounded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelbench_plus.store.archive import ARCHIVE
from labelbench_plus.submission.findings import Finding

Denominators = Mapping[str, frozenset[int] | None]
"""By the name of a score, what each metric says of itself (`Metric.denominators`). Of other scores nothing is known."""

FINEST = 10**7  # beyond it, a double says no more whether it is a count
RARE = 1e-9  # chance that an honest score counts as rounded
MOST_DECIMALS = 6
FEWEST_ROUNDED = 3  # different values without which nothing is called rounded


def denominators_of(instance: Any) -> Denominators:
    """What a problem's scores say of themselves; nothing of one that does not tell."""
    told = getattr(instance, "denominators", None)
    return told() if told is not None else {}


def check_grain(runs: Sequence[Mapping[str, Any]], known: Mapping[str, Denominators]) -> Iterator[Finding]:
    """Whether scores that are shares of a test set are whole counts of it, and no strategy's scores were rounded.

    Parameters
    ----------
    known: by run id.
    """
    values: dict[tuple[str, str, frozenset[int]], dict[float, str]] = {}
    for run in runs:
        for name, sizes in sorted(known.get(run["run"], {}).items()):
            for record in run["rounds"]:
                value = record["scores"].get(name)
                if sizes is None or value is None:
                    continue
                if sizes and not any(_is_count(value, size) for size in sizes):
                    expected = f"a whole number of {' or '.join(map(str, sorted(sizes)))} test items"
                    place = f"rounds.{record['round']}.scores.{name}"
                    yield Finding(ARCHIVE, "is no share of the test set", run["run"], place, expected, str(value))
                group = (str(run["config"]["strategy"]["name"]), name, sizes)
                values.setdefault(group, {})[value] = run["run"]
    for (strategy, name, sizes), found in sorted(values.items(), key=lambda item: item[0][:2]):
        between = {value: run for value, run in found.items() if value != round(value)}
        decimals = max((_decimals(value) for value in between), default=0)
        if len(between) >= FEWEST_ROUNDED and _share(sizes, decimals) ** len(between) < RARE:
            what = f"all scores of {strategy} have at most {decimals} decimals: they were rounded"
            first = min(between, key=lambda value: (between[value], value))
            yield Finding(ARCHIVE, what, between[first], name, "scores as they were computed", str(first))


def _is_count(value: float, size: int) -> bool:
    return not 0 < size <= FINEST or abs(value * size - round(value * size)) <= 1e-9 * size


def _decimals(value: float) -> int:
    return next((places for places in range(MOST_DECIMALS + 1) if round(value, places) == value), MOST_DECIMALS + 1)


def _share(sizes: frozenset[int], decimals: int) -> float:
    """Which share of the values that a score may have need no more decimals than these."""
    if decimals > MOST_DECIMALS:
        return 1.0
    if not sizes:
        return 10.0 ** (decimals - 15)
    return max(math.gcd(size, 10**decimals) / size for size in sizes)
