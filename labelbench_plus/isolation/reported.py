"""Third-party strategies as plain data: what a confined process reported of them, checked and pinned.

The process that holds the labels never imports such a strategy's module. It knows the strategy by its report: the
description, which ids are computed from, and what it declares. Whatever the code would say of itself later, every
choice is asked for by that description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.isolation.wire import Malformed
from labelbench_plus.plugins import BUILT_IN, Described, Plugin, PluginError, registry
from labelbench_plus.spec import canonical

LONGEST_REPORT = 2**16
WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
FIELDS = {
    "described": dict,
    "semantic": dict,
    "label": str,
    "title": str,
    "query": str,
    "needs": list,
    "uses_hidden_labels": bool,
    "knows_truth": bool,
    "origin": str,
}


@dataclass(frozen=True)
class Reported(Strategy, Described):
    """A third-party strategy, as reported.

    Parameters
    ----------
    report: canonical JSON, checked by `Reported.of`.
    """

    report: str

    @classmethod
    def of(cls, said: Mapping[str, Any], name: str, origin: str) -> Reported:
        """What a confined process reported about the strategy `name`.

        Parameters
        ----------
        origin: a pattern for where it may come from.

        Raises
        ------
        Malformed
            It is no report of that strategy.
        """
        if {key: type(value) for key, value in said.items()} != FIELDS:
            raise Malformed(f"a report with {', '.join(sorted(said))}, where {', '.join(FIELDS)} are due")
        text = canonical(said).decode()
        described, semantic = said["described"], said["semantic"]
        version = described.get("version")
        for wrong, what in (
            (len(text) > LONGEST_REPORT, f"{len(text):,} characters, where {LONGEST_REPORT:,} are the most"),
            (described.get("name") != name, "a description of another plugin"),
            (type(version) is not int, "a version that is no whole number"),
            (not semantic.items() >= {"name": name, "version": version}.items(), "two descriptions of two plugins"),
            (not semantic.keys() <= described.keys(), "two descriptions of two plugins"),
            (said["label"].partition("(")[0] != name, "the label of another plugin"),
            (not re.sub(r"\s", "", said["label"] + said["title"]).isprintable(), "a label that cannot be printed"),
            (not WORD.fullmatch(said["query"]), "a question without a name"),
            (not all(isinstance(need, str) and WORD.fullmatch(need) for need in said["needs"]), "needs without names"),
            (not re.fullmatch(origin, said["origin"]), "another origin"),
        ):
            if wrong:
                raise Malformed(f"a report with {what}")
        return cls(text)

    @cached_property
    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.report)
        return said

    def description(self, *, semantic_only: bool) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.report)["semantic" if semantic_only else "described"]
        return said

    def caption(self) -> str:
        return str(self._said["label"])

    @property
    def name(self) -> str:  # type: ignore[override]
        return str(self._said["described"]["name"])

    @property
    def version(self) -> int:  # type: ignore[override]
        return int(self._said["described"]["version"])

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self._said["title"])

    @property
    def query(self) -> str:  # type: ignore[override]
        return str(self._said["query"])

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(self._said["needs"])

    @property
    def uses_hidden_labels(self) -> bool:  # type: ignore[override]
        return bool(self._said["uses_hidden_labels"])

    @property
    def knows_truth(self) -> bool:  # type: ignore[override]
        return bool(self._said["knows_truth"])

    @property
    def origin(self) -> str:  # type: ignore[override]
        return str(self._said["origin"])


class Pinned:
    """Answers for third-party plugins from earlier reports: runs that were described once need no second report.

    Parameters
    ----------
    reports: of the strategies that may be asked about.
    """

    def __init__(self, reports: Sequence[str]) -> None:
        self._known = [Reported(text) for text in reports]

    def foreign(self, kind: str, name: str) -> bool:
        return foreign(kind, name)

    def report(self, kind: str, value: Mapping[str, Any]) -> Plugin:
        for strategy in self._known:
            if strategy.description(semantic_only=False) == value:
                return strategy
        what = (
            f"strategy {value['name']!r} was not reported when the run was described, and is not imported beside labels"
        )
        raise PydanticCustomError("plugin", "{what}", {"what": what})


def reports_of(strategies: Iterable[Strategy | None]) -> tuple[str, ...]:
    """The reports of those that are known by one."""
    return tuple(dict.fromkeys(each.report for each in strategies if isinstance(each, Reported)))


def foreign(kind: str, name: str) -> bool:
    """Whether a plugin may not be imported beside labels: a strategy that does not come with this package.

    Of other kinds, those that no installed package has: a file given with `--plugin` is not run there for them.
    """
    entry = registry(kind).entries().get(name)
    return entry is None or (kind == "strategies" and entry.origin != BUILT_IN)


def check_kind(kind: str, name: str, files: Sequence[Path]) -> None:
    """Refuse third-party plugins that are not strategies.

    Raises
    ------
    PydanticCustomError
        It is.
    """
    if kind == "strategies":
        return
    try:
        registry(kind).load(name)
    except PluginError as error:
        what = str(error)
    else:
        what = f"{name!r} contains a third-party strategy, which may not run beside labels"
    if files:
        names = ", ".join(file.name for file in files)
        what += (
            f"; where choices are isolated, --plugin {names} is read for strategies only: whatever else runs beside "
            "the labels must be installed, or leave out `isolate`"
        )
    raise PydanticCustomError("plugin", "{what}", {"what": what})
