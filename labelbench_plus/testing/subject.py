"""What every kind of plugin must declare, and how the kit comes by the plugin it is to check."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pickle
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from labelbench_plus.plugins import NAME, Plugin, PluginError, Registry, describe, label, registry
from labelbench_plus.spec import canonical
from labelbench_plus.testing.report import Failure


def as_plugin(subject: Any, kind: str) -> Any:
    """The plugin to check: an instance as it is; of a class or a registered name its example, or else its defaults.

    Raises
    ------
    PluginError
        An unknown name.
    TypeError
        Not a plugin of this kind, or a class that cannot be built without hyperparameters and has no example.
    """
    found: Registry[Any] = registry(kind)
    named = found.load(subject) if isinstance(subject, str) else subject
    cls: Any = named if isinstance(named, type) else type(named)
    if not issubclass(cls, found.base):
        raise TypeError(f"{cls.__name__} is no {found.kind}: it does not derive from {found.base.__name__}")
    _register_if_installed(cls, found)
    if isinstance(subject, found.base):
        return subject
    if hasattr(cls, "name") and (example := cls.example()) is not None:
        return found.build({"name": cls.name, **example})
    try:
        return cls()
    except TypeError as error:
        what = f"{cls.__name__} has no default for everything and no example; check an instance of it: {error}"
        raise TypeError(what) from error


def _register_if_installed(cls: type, found: Registry[Any]) -> None:
    """Load a class by its entry point, which is what gives it a name in a run."""
    target = f"{cls.__module__}:{cls.__qualname__}"
    for entry in found.entries().values():
        if entry.target == target:
            found.load(entry.name)


def check_declaration(plugin: Plugin, kind: str) -> None:
    """A name it is registered under, a docstring, a version, and a frozen dataclass."""
    cls = type(plugin)
    found: Registry[Any] = registry(kind)
    if not dataclasses.is_dataclass(cls) or not cls.__dict__["__dataclass_params__"].frozen:
        raise Failure("declaration", f"{cls.__name__} is not decorated with @dataclass(frozen=True)")
    name = getattr(plugin, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Failure("declaration", f"{cls.__name__} is not registered: no decorator and no entry point names it")
    try:
        registered = found.load(name)
    except PluginError as error:
        raise Failure("declaration", str(error)) from error
    if registered is not cls:
        raise Failure("declaration", f"the {found.kind} registered as {name!r} is another class: {registered!r}")
    text = cls.__doc__ or ""
    if not text.strip() or text.startswith(f"{cls.__name__}("):  # dataclasses writes that one itself
        raise Failure("declaration", f"{cls.__name__} has no docstring: what does it do, and who published it?")
    if not isinstance(plugin.version, int) or isinstance(plugin.version, bool) or plugin.version < 1:
        raise Failure("declaration", f"version must be a whole number from 1 on, got {plugin.version!r}")


def check_names(declared: Any, what: str) -> None:
    """A frozenset of strings, as `needs` and `provides` are."""
    if not isinstance(declared, frozenset) or not all(isinstance(name, str) for name in declared):
        raise Failure("declaration", f"{what} must be a frozenset of names, got {declared!r}")


def check_hyperparameters(plugin: Plugin, kind: str) -> str:
    """What a run's record says of the plugin builds an equal one, and what it does not know is refused."""
    found: Registry[Any] = registry(kind)
    described = describe(plugin)
    try:
        text = canonical(described)
    except (TypeError, ValueError) as error:
        raise Failure("hyperparameters", f"they are not plain values that JSON can hold: {error}") from error
    try:
        again = found.build(json.loads(text))
    except (ValidationError, PydanticCustomError) as error:
        raise Failure("hyperparameters", f"what a run records of them is not accepted back: {error}") from error
    if again != plugin or describe(again) != described:
        raise Failure("hyperparameters", f"built from its own record, {label(plugin)} becomes {label(again)}")
    try:
        hash(plugin)
    except TypeError as error:
        raise Failure("hyperparameters", f"it cannot be hashed: {error}; use tuples instead of lists") from error
    try:
        found.build({**described, "no_such_hyperparameter": 1})
    except (ValidationError, PydanticCustomError):
        return label(plugin)
    raise Failure("hyperparameters", "an unknown hyperparameter is accepted silently")


def check_pickles(plugin: Plugin) -> Any:
    """The plugin after a journey through pickle, as to a job on another machine."""
    cls = type(plugin)
    if "<locals>" in cls.__qualname__:
        raise Failure("pickles", f"{cls.__qualname__} is defined within a function: no other process can import it")
    try:
        again = pickle.loads(pickle.dumps(plugin))
    except Exception as error:  # whatever a third-party __getstate__ raises
        raise Failure("pickles", f"{type(error).__name__}: {error}") from error
    if again != plugin:
        raise Failure("pickles", f"{label(plugin)} comes back as {label(again)}")
    return again


def fresh(plugin: Any) -> Any:
    """A new instance with the same hyperparameters."""
    return dataclasses.replace(plugin)


def source_file(plugin: Plugin) -> str:
    """The file a plugin is defined in."""
    return inspect.getsourcefile(importlib.import_module(type(plugin).__module__)) or ""
