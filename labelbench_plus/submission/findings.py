"""What a check found: where, what was expected, what is there instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from labelbench_plus.shown import printable

MOST_SHOWN = 5
MOST_TOLD = 200  # problems, and as many warnings
LONGEST = 400  # characters of each part: a submission may hold texts of any length


@dataclass(frozen=True)
class Finding:
    """Something wrong with a submission or, as a `warning`, odd.

    Attributes
    ----------
    file, run, field: where; `run` and `field` are empty where it concerns the whole file, all where it concerns all.
    what: the rule. `expected`, `actual`: empty where the rule says it all.
    """

    file: str
    what: str
    run: str = ""
    field: str = ""
    expected: str = ""
    actual: str = ""
    warning: bool = False

    def __str__(self) -> str:
        """In one line, without what a terminal would obey."""
        place = ": ".join(part for part in (self.file, f"run {self.run}" if self.run else "", self.field) if part)
        contrast = [f"expected {self.expected}"] if self.expected else []
        contrast += [f"got {self.actual}"] if self.actual else []
        text = f"{place}: {self.what}" if place else self.what
        return printable(text + (f" ({', '.join(contrast)})" if contrast else ""))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def shortened(self) -> Finding:
        """The same, no part longer than is read."""
        parts = [self.file, self.what, self.run, self.field, self.expected, self.actual]
        if max(map(len, parts)) <= LONGEST:
            return self
        file, what, run, field, expected, actual = (f"{part[:LONGEST]}…" if part[LONGEST:] else part for part in parts)
        return Finding(file, what, run, field, expected, actual, self.warning)


class Findings:
    """What has been found so far: each once, of problems and warnings the first few, and how many more there are.

    Parameters
    ----------
    told: called with what is new, as it is found.
    """

    def __init__(self, told: Callable[[list[Finding]], None] = lambda new: None) -> None:
        self._told = told
        self._kept: dict[Finding, None] = {}
        self._count = {False: 0, True: 0}
        self._more = {False: 0, True: 0}

    def add(self, found: Iterable[Finding]) -> None:
        """Take what a check yields, which may be very much."""
        new = []
        for finding in found:
            if (finding := finding.shortened()) in self._kept:
                continue
            if self._count[finding.warning] == MOST_TOLD:
                self._more[finding.warning] += 1
                continue
            self._count[finding.warning] += 1
            self._kept[finding] = None
            new.append(finding)
        if new:
            self._told(new)

    def close(self) -> None:
        """Say how many were left out."""
        for warning, more in self._more.items():
            if more:
                kind = "warnings" if warning else "problems"
                last = Finding("", f"{more:,} more {kind} are not listed", warning=warning)
                self._kept[last] = None
                self._told([last])

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self._kept if not finding.warning)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self._kept if finding.warning)

    @property
    def runs(self) -> frozenset[str]:
        """Ids of runs with a finding."""
        return frozenset(finding.run for finding in self._kept)


def some(values: Any) -> str:
    """The first few of many values, and how many there are."""
    values = list(values)
    shown = ", ".join(map(str, values[:MOST_SHOWN]))
    return f"{shown}, … ({len(values)} in all)" if len(values) > MOST_SHOWN else shown
