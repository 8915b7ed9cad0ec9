"""What a check found: where, what was expected, what is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from labelbench_plus.shown import printable

MOST_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a submission, or, as a `warning`, odd.

    Attributes
    ----------
    file, run, field: where; `run` and `field` are empty where it concerns the whole file.
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
        place = ": ".join(part for part in (self.file, f"run {self.run}" if self.run else "", self.field) if part)
        contrast = [f"expected {self.expected}"] if self.expected else []
        contrast += [f"got {self.actual}"] if self.actual else []
        return printable(f"{place}: {self.what}" + (f" ({', '.join(contrast)})" if contrast else ""))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def some(values: Any) -> str:
    """The first few of many values, and how many there are."""
    values = list(values)
    shown = ", ".join(map(str, values[:MOST_SHOWN]))
    return f"{shown}, … ({len(values)} in all)" if len(values) > MOST_SHOWN else shown
