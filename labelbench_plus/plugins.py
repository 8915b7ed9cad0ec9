"""The registry that serves every kind of plugin: what a suite names is looked up, checked and built here.

A plugin is a frozen dataclass whose fields are its hyperparameters. It comes from one of three places:

* built in: the file `NAME.py` anywhere below the kind's package (`strategies/uncertainty/margin.py`);
* another installed package: an entry point `NAME = "package.module:Class"` in the kind's group
  (`labelbench_plus.strategies`, `labelbench_plus.trainers`, ...);
* a file given with `--plugin FILE`, or code that simply runs `@strategies.register("NAME")`.

Names are known without importing anything; a plugin is imported when it is used, so a broken one harms only itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from labelbench_plus.entries import BUILT_IN as BUILT_IN
from labelbench_plus.entries import Entry as Entry
from labelbench_plus.entries import installed
from labelbench_plus.faults import did_you_mean, too_large, with_article, with_suggestions
from labelbench_plus.marks import Infra as Infra
from labelbench_plus.marks import Outside as Outside
from labelbench_plus.marks import Since as Since
from labelbench_plus.marks import before, beyond, default_of, marks_of, unsaid
from labelbench_plus.reference import Reference
from labelbench_plus.shown import printable

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
SHOWN_FIRST = ("problems", "datasets", "encoders", "conditions", "strategies", "trainers")
RESERVED_FIELDS = frozenset({"name", "version"})
STRANGERS = "strangers"  # what validation is told: who answers for plugins that may not be imported here


class PluginError(Exception):
    """A plugin cannot be found, loaded or registered. The message says what would be right."""


class Plugin:
    """Base of everything a suite can name: a frozen dataclass whose fields are its hyperparameters.

    Attributes
    ----------
    name: under which it is registered; set by the registry.
    version: raised by its author whenever the same hyperparameters would give other results; part of every run's
        identity, so old results are never taken for new ones.
    title: its name for people ("k-center greedy"); by default its registered name.
    reference: the publication it comes from, if any.
    in_labels: the fields that its label shows, if those that differ from their defaults would be too many. If other
        identity fields differ, a hash keeps labels distinct.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    title: ClassVar[str]
    reference: ClassVar[Reference | None] = None
    in_labels: ClassVar[frozenset[str] | None] = None
    __pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    @classmethod
    def example(cls) -> Mapping[str, Any] | None:
        """Hyperparameters of a small example that is built and used within seconds; None if there is none.

        The conformance kit checks a class with it, and plays on the examples of problems. By default, the default
        values are the example, if every field has one.
        """
        required = dataclasses.MISSING
        given = any(field.default is field.default_factory is required for field in dataclasses.fields(cls))  # type: ignore[arg-type]
        return None if given else {}

    def beside(self) -> Mapping[str, int]:
        """What it uses beside the budget, by name: `{"seed demonstrations": 40}`. Shown on every board.

        Asked of a run's problem and trainers, and of the plugins in their fields (data sets, encoders). Validation
        labels are a line of their own, which `validation_labels` and `uses_validation` say.
        """
        return {}

    def settled(self, device: str) -> Mapping[str, str]:
        """What it decides by itself on a machine, for a run's manifest: `{"arithmetic": "bfloat16"}`."""
        return {}


class Described(Plugin):
    """A plugin of which this process has a description alone: its class is third-party and not imported here."""

    origin: str

    def description(self, *, semantic_only: bool) -> dict[str, Any]:
        """What `describe` says of it."""
        raise NotImplementedError

    def caption(self) -> str:
        """What `label` says of it."""
        raise NotImplementedError


class _StrangerInside(Exception):
    """A plugin has a third-party one in a field, so it is reported from elsewhere."""


class Strangers(Protocol):
    """Reports on plugins whose code must not run in this process."""

    def foreign(self, kind: str, name: str) -> bool:
        """Whether a plugin's code may not run here."""

    def report(self, kind: str, value: Mapping[str, Any]) -> Plugin:
        """The plugin that a suite describes, as it is reported. Raises what `Registry.build` raises."""


P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """All plugins of one kind.

    Parameters
    ----------
    kind: singular word for messages ("strategy").
    base: the class every plugin of this kind derives from.
    package: the package whose files are the built-in plugins; its name is also the entry point group.
    """

    kinds: ClassVar[dict[str, Registry[Any]]] = {}

    def __init__(self, kind: str, base: type[P], package: str) -> None:
        self.kind, self.base, self.group = kind, base, package
        self.refused: list[Entry] = []  # entry points that wanted a built-in's name
        self._classes: dict[str, type[P]] = {}
        self._local: dict[str, Entry] = {}
        Registry.kinds[package.rpartition(".")[2]] = self

    def register(self, name: str) -> Callable[[type[P]], type[P]]:
        """Class decorator that puts a plugin under `name`.

        Raises
        ------
        PluginError
            The name is malformed or taken (the message names both sides), or the class is not a frozen dataclass
            derived from the kind's base.
        """

        def add(cls: type[P]) -> type[P]:
            where = _source_of(cls)
            if not NAME.fullmatch(name):
                raise PluginError(f"{where}: {self.kind} name {name!r} must be made of a-z, 0-9, '_' and '-'")
            if not (isinstance(cls, type) and issubclass(cls, self.base)):
                raise PluginError(f"{where}: {self.kind} {name!r} must derive from {self.base.__name__}")
            if "__dataclass_params__" not in cls.__dict__ or not cls.__dict__["__dataclass_params__"].frozen:
                raise PluginError(f"{where}: {self.kind} {name!r} must be decorated with @dataclass(frozen=True)")
            if clash := RESERVED_FIELDS & {field.name for field in dataclasses.fields(cls)}:  # type: ignore[arg-type]
                raise PluginError(f"{where}: {self.kind} {name!r} may not have a field named {sorted(clash)}")
            taken = self._classes.get(name)
            expected = self._installed.get(name)
            if expected is not None and expected.target.partition(":")[0] != cls.__module__:
                raise PluginError(
                    f"{self.kind} {name!r} of {where} is already taken by {expected.origin} ({expected.target})"
                )
            if taken is not None and _source_of(taken) != where:
                raise PluginError(f"{self.kind} {name!r} is defined twice: {_source_of(taken)} and {where}")
            cls.name = name
            if "title" not in cls.__dict__:  # that of a base is another plugin's
                cls.title = name
            self._classes[name] = cls
            if expected is None:
                self._local[name] = Entry(
                    name, f"local ({Path(where).name}), unversioned", f"{cls.__module__}:{cls.__name__}"
                )
            return cls

        return add

    def entries(self) -> dict[str, Entry]:
        """Every known name and its origin, sorted, without importing any plugin."""
        return dict(sorted({**self._installed, **self._local}.items()))

    def load(self, name: str) -> type[P]:
        """Import (once) and return the class registered under `name`.

        Raises
        ------
        PluginError
            The name is unknown (the message lists the closest ones), or its import failed (the message names package,
            entry point and error).
        """
        if name in self._classes:
            return self._classes[name]
        entry = self._installed.get(name)
        if entry is None:
            named = [with_article(each.kind) for each in map(registry, kinds()) if name in each.entries()]
            known = f"; it is {' and '.join(named)}" if named else f"; known: {', '.join(self.entries())}"
            raise PluginError(f"unknown {self.kind} {name!r}{did_you_mean(name, self.entries(), n=3) or known}")
        if not entry.target:
            raise PluginError(f"{self.kind} {name!r} is defined twice: by {entry.origin}; uninstall one of the two")
        module, _, attribute = entry.target.partition(":")
        try:
            found = importlib.import_module(module)
            if attribute and name not in self._classes:
                self.register(name)(getattr(found, attribute))
        except PluginError:
            raise
        except Exception as error:  # whatever a third-party module raises, it must not take the program down
            raise PluginError(
                f"{self.kind} {name!r} is broken: {entry.origin} ({entry.target}) failed to load with "
                f"{type(error).__name__}: {error}"
            ) from error
        if name not in self._classes:
            raise PluginError(f"{self.kind} {name!r} is broken: {entry.target} does not register that name")
        return self._classes[name]

    def build(self, value: Any, strangers: Strangers | None = None) -> P:
        """Build a plugin from what a suite says: a name, or a mapping with `name` and hyperparameters.

        A `version` in the mapping is checked against the installed plugin's, so that a run is never continued by
        code that means something else. Such a mapping is a description: fields that it lacks because they are newer
        (`Since`) get what the plugin did before it had them.

        `strangers` answers for plugins that may not be imported here. A built-in with one in a field is one of them.

        Raises
        ------
        PydanticCustomError, pydantic.ValidationError
            Unknown name or wrong hyperparameters; both carry the place of the fault for the caller's report.
        """
        if isinstance(value, self.base):
            return value
        params = {"name": value} if isinstance(value, str) else value
        if not isinstance(params, Mapping) or not isinstance(params.get("name"), str):
            what = f"expected {with_article(self.kind)}: a name, or a mapping with 'name' in it"
            raise PydanticCustomError("plugin", "{what}", {"what": what})
        kind = self.group.rpartition(".")[2]
        if strangers is not None and strangers.foreign(kind, params["name"]):
            return strangers.report(kind, params)  # type: ignore[return-value]
        try:
            cls = self.load(params["name"])
        except PluginError as error:
            raise PydanticCustomError("plugin", "{what}", {"what": str(error)}) from error
        version = params.get("version", cls.version)
        if version != cls.version:
            what = f"{self.kind} {cls.name!r}: version {version} was requested, version {cls.version} is installed"
            raise PydanticCustomError("plugin", "{what}", {"what": what})
        fields = {key: item for key, item in params.items() if key not in RESERVED_FIELDS}
        hints = _hints(cls)  # type: ignore[arg-type]
        if "version" in params:
            fields = {**before(hints), **fields}
        if large := beyond(hints, fields):
            raise too_large(cls.name, fields, large)
        context = {STRANGERS: strangers, "inside": True}
        try:
            return _adapter(cls).validate_json(json.dumps(fields), strict=True, context=context)  # type: ignore[arg-type]
        except _StrangerInside:
            return strangers.report(kind, params)  # type: ignore[return-value, union-attr]
        except ValidationError as error:
            raise with_suggestions(error, cls.name, cls.__dataclass_fields__) from error  # type: ignore[attr-defined]

    @cached_property
    def _installed(self) -> dict[str, Entry]:
        found, self.refused = installed(self.group)
        return found


class From:
    """Type annotation of a field that holds a plugin: `encoder: Annotated[Encoder, From("encoders")]`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        def build(value: Any, info: core_schema.ValidationInfo) -> Any:
            context = info.context or {}
            built = registry(self.kind).build(value, context.get(STRANGERS))
            if isinstance(built, Described) and context.get("inside"):
                raise _StrangerInside
            return built

        return core_schema.with_info_plain_validator_function(build)


def kinds() -> tuple[str, ...]:
    """Every kind of plugin, in display order. Nothing is imported.

    A kind is a contract (`contracts/<kind>.py`) with a room of its name, where the built-in ones are.
    """
    here = Path(__file__).parent
    found = {file.stem for file in (here / "contracts").glob("*.py") if (here / file.stem).is_dir()}
    return (*(kind for kind in SHOWN_FIRST if kind in found), *sorted(found.difference(SHOWN_FIRST)))


def registry(kind: str) -> Registry[Any]:
    """The registry of a kind ("strategies", "trainers", ...), importing its package if need be."""
    if kind not in Registry.kinds:
        importlib.import_module(f"labelbench_plus.{kind}")
    return Registry.kinds[kind]


def load_plugin_file(path: Path) -> None:
    """Run a Python file, once per process, for the plugins that it registers.

    Raises
    ------
    PluginError
        The file does not exist, raises, or registers nothing; the message names the file and the error.
    """
    path = path.resolve()
    module_name = f"labelbench_plus_local_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if module_name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(module_name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise PluginError(f"--plugin {path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    before = _from_elsewhere()
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise PluginError(f"--plugin {path}: {type(error).__name__}: {error}") from error
    if _from_elsewhere() == before:
        del sys.modules[module_name]
        raise PluginError(f"--plugin {path}: registers nothing; classes need @strategies.register(NAME) or its like")


def _from_elsewhere() -> set[type[Any]]:
    """The registered classes that do not come with this package."""
    found = {cls for each in Registry.kinds.values() for cls in each._classes.values()}
    return {cls for cls in found if not cls.__module__.startswith("labelbench_plus.")}


def describe(plugin: Plugin, *, semantic_only: bool = False) -> dict[str, Any]:
    """The mapping that `Registry.build` turns back into an equal plugin: name, version, every hyperparameter.

    With `semantic_only`, fields marked `Infra` are left out: what remains is the plugin's part of a run's identity.
    Fields marked `Since` are left out where the plugin does what it did before it had them, always.
    """
    if isinstance(plugin, Described):
        return plugin.description(semantic_only=semantic_only)
    described: dict[str, Any] = {"name": plugin.name, "version": plugin.version}
    hints = _hints(type(plugin))  # type: ignore[arg-type]
    for field in dataclasses.fields(plugin):  # type: ignore[arg-type]
        marks, value = marks_of(hints[field.name]), getattr(plugin, field.name)
        if semantic_only and any(isinstance(mark, Infra) for mark in marks):
            continue
        if any(isinstance(mark, Since) for mark in marks) and value == unsaid(field, marks):
            continue
        described[field.name] = _plain(value, semantic_only)
    return described


def with_parts(plugin: Plugin) -> Iterator[Plugin]:
    """A plugin and those in its fields, however deep."""
    yield plugin
    for field in dataclasses.fields(plugin):  # type: ignore[arg-type]
        value = getattr(plugin, field.name)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, Plugin):
                yield from with_parts(part)


def is_built_in(plugin: Plugin) -> bool:
    """Whether a plugin and all those in its fields come with this package."""
    entries = [entry for kind in Registry.kinds.values() for entry in kind.entries().values()]
    known = {(entry.name, entry.target.partition(":")[0]) for entry in entries if entry.origin == BUILT_IN}
    return all((part.name, type(part).__module__) in known for part in with_parts(plugin))


def label(plugin: Plugin) -> str:
    """What tables call a plugin: its name, and the hyperparameters that differ from their defaults.

    Of a newer field (`Since`) it is what was done before that goes unsaid, so that published labels keep their meaning.
    """
    if isinstance(plugin, Described):
        return plugin.caption()
    changed, unnamed = [], False
    hints = _hints(type(plugin))  # type: ignore[arg-type]
    for field in dataclasses.fields(plugin):  # type: ignore[arg-type]
        value, marks = getattr(plugin, field.name), marks_of(hints[field.name])
        if value == unsaid(field, marks):
            continue
        if plugin.in_labels is None or field.name in plugin.in_labels:
            changed.append(label(value) if isinstance(value, Plugin) else f"{field.name}={_shown(value)}")
        else:
            unnamed = unnamed or not any(isinstance(mark, Infra) for mark in marks)
    if unnamed:
        told = json.dumps(describe(plugin, semantic_only=True), sort_keys=True)
        changed.append(f"{zlib.crc32(told.encode()):08x}")
    return f"{plugin.name}({', '.join(changed)})" if changed else plugin.name


def _shown(value: Any) -> str:
    if isinstance(value, Path):
        return printable(value.stem)  # a leaderboard should not show where a file is
    if isinstance(value, tuple | list):
        return f"[{', '.join(label(item) if isinstance(item, Plugin) else _shown(item) for item in value)}]"
    if dataclasses.is_dataclass(value):
        parts = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return f"({', '.join(f'{field.name}={_shown(part)}' for field, part in parts if part != default_of(field))})"
    return printable(str(value))


def _plain(value: Any, semantic_only: bool) -> Any:
    if isinstance(value, Plugin):
        return describe(value, semantic_only=semantic_only)
    if isinstance(value, tuple | list):
        return [_plain(item, semantic_only) for item in value]
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name), semantic_only) for field in dataclasses.fields(value)}
    return value


def _source_of(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    return f"{getattr(module, '__file__', None) or cls.__module__}:{cls.__qualname__}"


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)  # slow: without the cache a big suite spends its time in here


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
