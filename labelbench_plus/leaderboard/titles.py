"""Names for people: what a label says, in the titles of the plugins that it names.

Archives, tables and permalinks are compared by `plugins.label`; titles stand beside it, never in its place. A plugin
that is not installed here keeps its name, so that anybody's results can be read anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_type_hints

from labelbench_plus.plugins import From, Plugin, PluginError, kinds, registry

CALL = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)(?:\((.*)\))?", re.DOTALL)
KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
WHOLE_FLOAT = re.compile(r"(-?\d+)\.0")
ELSEWHERE = "Other"


@dataclass(frozen=True)
class Words:
    """A label in words: the `title` of its plugin, and each hyperparameter that is said, plugins in words again."""

    title: str
    details: tuple[Words | str, ...] = ()

    @property
    def whole(self) -> str:
        """All of it in a line."""
        return f"{self.title} ({', '.join(map(_whole, self.details))})" if self.details else self.title

    @property
    def listed(self) -> str:
        """All of it as a list."""
        return ", ".join((self.title, *map(_whole, self.details)))

    @property
    def parts(self) -> tuple[str, ...]:
        """The details at every depth, without their brackets."""
        return tuple(
            part
            for each in self.details
            for part in ((each.title, *each.parts) if isinstance(each, Words) else (each,))
        )


def _whole(detail: Words | str) -> str:
    return detail.whole if isinstance(detail, Words) else detail


@dataclass(frozen=True)
class Titles:
    """How labels are shown. `given`: by label, what the author of a suite calls one of its problems or trainers."""

    given: Mapping[str, str] = field(default_factory=dict)

    def strategy(self, label: str) -> Words:
        """A strategy in words."""
        return Words(self.given[label]) if label in self.given else words(label, "strategies")

    def trainer(self, label: str) -> Words:
        """A trainer in words."""
        return Words(self.given[label]) if label in self.given else words(label, "trainers")

    def problem(self, label: str) -> Words:
        """A problem in words: its data set first, where it has one."""
        if label in self.given:
            return Words(self.given[label])
        found = words(label, "problems")
        first = found.details[0] if found.details else ""
        return Words(first.title, (*first.details, *found.details[1:])) if isinstance(first, Words) else found

    def setting(self, problem: str, trainer: str) -> str:
        """A problem under a trainer, in a line."""
        return f"{self.problem(problem).listed} × {self.trainer(trainer).whole}"

    def facet(self, name: str, value: str) -> Words:
        """What a facet's value is called: a plugin of the kind it is named after, or just what it is."""
        return words(value, f"{name}s") if f"{name}s" in kinds() else Words(value)


def words(label: str, kind: str) -> Words:
    """What tables call a plugin, in titles.

    Parameters
    ----------
    kind: of the plugin; that of the plugins inside is known from its fields, where it is installed.
    """
    name, arguments = _call(label)
    cls = installed(kind, name)
    inside = _kinds_inside(kind, name) if cls is not None else kinds()
    details = tuple(part for each in arguments for part in _argument(each, inside))
    return Words(cls.title if cls is not None else name, details)


def distinct(said: Mapping[str, Words]) -> dict[str, Words]:
    """The shortest words that tell each label from all others: its title, and only the details that differ.

    Where these say too little it is all of them, and where these do too it is the label.
    """
    alike: dict[str, list[str]] = {}
    for label, each in said.items():
        alike.setdefault(each.title, []).append(label)
    found = {}
    for title, labels in alike.items():
        shared = set(said[labels[0]].parts).intersection(*(said[label].parts for label in labels))
        short = {label: tuple(part for part in said[label].parts if part not in shared) for label in labels}
        whole = [said[label].whole for label in labels]
        for label in labels:
            if list(short.values()).count(short[label]) == 1:
                found[label] = Words(title, short[label])
            else:
                found[label] = said[label] if whole.count(said[label].whole) == 1 else Words(label)
    return found


def idea(label: str) -> str:
    """The room of strategies that one stands in, as a heading; `ELSEWHERE` for third-party ones."""
    entry = registry("strategies").entries().get(_call(label)[0])
    parts = entry.target.partition(":")[0].split(".") if entry is not None else []
    return parts[2].replace("_", " ").capitalize() if parts[:2] == ["labelbench_plus", "strategies"] else ELSEWHERE


def arguments_named(label: str, name: str) -> tuple[str, ...]:
    """The entries of a list among a label's hyperparameters, as labels; none where it is not said."""
    for each in _call(label)[1]:
        match = KEY.fullmatch(each)
        if match and match[1] == name:
            return tuple(_split(match[2][1:-1])) if match[2].startswith("[") else (match[2],)
    return ()


@cache
def installed(kind: str, name: str) -> type[Plugin] | None:
    """The class of a plugin, None where this installation has none that loads."""
    if kind not in kinds() or name not in registry(kind).entries():
        return None
    try:
        return registry(kind).load(name)
    except PluginError:
        return None


def plugin_of(label: str, kind: str) -> type[Plugin] | None:
    """The class that a label names."""
    return installed(kind, _call(label)[0])


def knows_truth(strategy: str) -> bool:
    """Whether a strategy is told what others must learn; this installation cannot tell for third-party ones."""
    return bool(getattr(plugin_of(strategy, "strategies"), "knows_truth", False))


def _argument(text: str, inside: Sequence[str]) -> tuple[Words | str, ...]:
    match = KEY.fullmatch(text)
    if match is None:
        return (_plugin(text, inside),)
    name, value = match[1].replace("_", " "), match[2]
    if value.startswith("[") and value.endswith("]"):
        entries = _split(value[1:-1])
        listed = tuple(_plugin(each, inside) for each in entries)
        return (
            listed if any(isinstance(each, Words) for each in listed) else (f"{name} {', '.join(map(_whole, listed))}",)
        )
    if value.startswith("(") and value.endswith(")"):
        within = [_whole(part) for each in _split(value[1:-1]) for part in _argument(each, inside)]
        return (f"{name}: {', '.join(within)}",)
    switched = {"True": name, "False": f"not {name}", "None": f"no {name}"}
    return (switched.get(value, f"{name} {_plain(value)}"),)


def _plugin(label: str, inside: Sequence[str]) -> Words | str:
    kind = _kind_of(label, inside)
    return words(label, kind) if kind else _plain(label)


def _kind_of(label: str, inside: Sequence[str]) -> str:
    return next((kind for kind in inside if _call(label)[0] in registry(kind).entries()), "")


def _plain(value: str) -> str:
    match = WHOLE_FLOAT.fullmatch(value)
    return match[1] if match else value


def _call(label: str) -> tuple[str, list[str]]:
    match = CALL.fullmatch(label)
    return (match[1], _split(match[2]) if match[2] else []) if match else (label, [])


def _split(text: str) -> list[str]:
    """At the commas outside all brackets."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0 and text[i + 1 : i + 2] == " ":
            parts.append(text[start:i])
            start = i + 2
    return [*parts, text[start:]] if text else []


@cache
def _kinds_inside(kind: str, name: str) -> tuple[str, ...]:
    """The kinds of the plugins in the fields of one that is installed."""
    found: dict[str, None] = {}

    def look(hint: Any) -> None:
        for part in get_args(hint):
            look(part)
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, From):
                found[mark.kind] = None

    for hint in get_type_hints(registry(kind).load(name), include_extras=True).values():
        look(hint)
    return tuple(found)
