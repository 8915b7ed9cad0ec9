"""What a third-party config leads to, found before anything of it is built.

A submission, an archive and a run of a W&B project hold configs that anybody may have written. Building a plugin runs
its code on its hyperparameters, so nothing is built that

* is no plugin of the benchmark's own, of a package that is allowed by name, or of a file loaded with `--plugin`;
* has a value that leads outside (`plugins.Outside`: to code, files or the network), unless that very value is allowed.

Finding that out loads the classes of such plugins, and nothing that a config names.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from labelbench_plus.plugins import BUILT_IN, NAME, Entry, From, Outside, PluginError, registry
from labelbench_plus.spec import RunSpec, canonical

PLACES = {
    "problem": "problems",
    "trainer": "trainers",
    "strategy": "strategies",
    "initial": "strategies",
    "proxy": "trainers",
}
"""The plugins of a run, and of which kind they are."""
OURS = "labelbench_plus."
ALIKE = str.maketrans({"1": "l", "i": "l", "0": "o", "-": "_"})


@dataclasses.dataclass(frozen=True)
class Allowed:
    """What somebody who reads strangers' configs allows by name.

    Attributes
    ----------
    packages: whose plugins may be built.
    values: which values may lead outside, each as "KIND.PLUGIN.FIELD=VALUE".
    """

    packages: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Allowed:
        """Of what is written on a command line: names of packages, and values with a "="."""
        texts = frozenset(texts)
        values = frozenset(text for text in texts if "=" in text)
        return cls(texts - values, values)


@dataclasses.dataclass(frozen=True)
class Objection:
    """Why a run is not built.

    Attributes
    ----------
    field: where, below the config.
    what: the reason. `allow`: what to allow for it to be built; empty where that is no help.
    wrong: whether no honest run can have it; otherwise it only cannot be built here.
    """

    field: str
    what: str
    allow: str = ""
    wrong: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.what}" + (f"; --allow '{self.allow}' has it built" if self.allow else "")


class Objected(ValueError):
    """A config is not built. The message says why."""

    def __init__(self, objections: Iterable[Objection]) -> None:
        self.objections = tuple(objections)
        super().__init__("; ".join(map(str, self.objections)))


def build(config: Mapping[str, Any], allowed: Allowed) -> RunSpec:
    """The spec of a third-party config.

    Raises
    ------
    Objected
        Something in it is not to be built.
    ValueError, TypeError, KeyError
        It is no config; see `RunSpec.from_json`.
    """
    if found := objections(config, allowed):
        raise Objected(found)
    return RunSpec.from_json(dict(config))


def objections(config: Mapping[str, Any], allowed: Allowed) -> list[Objection]:
    """Every reason not to build a config; none if it may be built."""
    found: list[Objection] = []
    for place, kind in PLACES.items():
        if config.get(place) is not None:
            found += _of_plugin(kind, config[place], place, allowed)
    return found


def _of_plugin(kind: str, value: Any, where: str, allowed: Allowed) -> Iterator[Objection]:
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        yield Objection(where, "expected a plugin: a name, or a mapping with a name", wrong=True)
        return
    known, name = registry(kind), given["name"]
    if (fault := _of_name(kind, name, where, allowed)) is not None:
        yield fault
        return
    cls: type[Any] = known.load(name)
    version = given.get("version", cls.version)
    if version != cls.version or isinstance(version, bool):
        later = not isinstance(version, int) or isinstance(version, bool) or not 1 <= version < cls.version
        what = f"{known.kind} {name!r} is of version {cls.version} here, and not {version!r}"
        yield Objection(f"{where}.version", what, wrong=later and _ours(known.entries()[name]))
    for field in dataclasses.fields(cls):
        if (held := given.get(field.name)) is None:
            continue
        inner = list(_marks(_hints(cls)[field.name]))  # type: ignore[arg-type]
        for mark in inner:
            if isinstance(mark, From):
                for number, part in enumerate(held) if isinstance(held, list) else [(None, held)]:
                    place = f"{where}.{field.name}" + ("" if number is None else f".{number}")
                    yield from _of_plugin(mark.kind, part, place, allowed)
        exit_sign = next((mark for mark in inner if isinstance(mark, Outside)), None)
        text = f"{kind}.{name}.{field.name}={held if isinstance(held, str) else canonical(held).decode()}"
        if exit_sign is not None and exit_sign.leads(held) and text not in allowed.values:
            yield Objection(f"{where}.{field.name}", f"leads to {exit_sign.to} outside the benchmark", text)


def _of_name(kind: str, name: str, where: str, allowed: Allowed) -> Objection | None:
    """What is wrong with a plugin's name, if it may not be loaded."""
    known = registry(kind)
    if not NAME.fullmatch(name):
        return Objection(where, f"no {known.kind} can be called {name!a}: names are of a-z, 0-9, _ and -", wrong=True)
    entries = known.entries()
    if (entry := entries.get(name)) is None:
        if like := [each for each in entries if _skeleton(each) == _skeleton(name)]:
            return Objection(where, f"{name!r} is no {known.kind}, but looks like {like[0]!r}", wrong=True)
        return Objection(where, f"unknown {known.kind} {name!r}: its plugin is not installed")
    if not _ours(entry) and not entry.origin.startswith("local") and _package(entry) not in allowed.packages:
        return Objection(where, f"{known.kind} {name!r} is code of {entry.origin}", _package(entry))
    try:
        known.load(name)
    except PluginError as error:
        return Objection(where, str(error))
    return None


def _skeleton(name: str) -> str:
    """What two names have in common that are read as one."""
    return name.translate(ALIKE).replace("rn", "m").replace("vv", "w")


def _ours(entry: Entry) -> bool:
    return entry.origin == BUILT_IN or entry.target.startswith(OURS)


def _package(entry: Entry) -> str:
    return entry.origin.rpartition(" ")[0]


def _marks(hint: Any) -> Iterator[Any]:
    """Every mark in a type, however deep. A path that is not marked leads to files like one that is."""
    own = getattr(hint, "__metadata__", ())
    inner = [mark for part in typing.get_args(hint) if part not in own for mark in _marks(part)]
    if hint is Path or (isinstance(hint, type) and issubclass(hint, Path)):
        inner.append(Outside("files"))
    yield from (*own, *inner)


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)
