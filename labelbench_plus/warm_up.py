"""What plugins import when they are first used, imported before anything is timed.

Plugin modules load quickly because their methods import torch and the rest. The first round would be charged for that:
seconds of reading files, booked as choosing or as training.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from labelbench_plus._torchvision_compat import prepare
from labelbench_plus.plugins import Plugin

NEED_TORCHVISION = {"open_clip", "peft", "timm", "torchvision", "transformers", "trl"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # fields that hold statements, or what holds them


def warm_up(*plugins: Plugin | None) -> None:
    """Import what functions of these plugins' modules import, and of the modules of their package that those use.

    Plugins in a plugin's fields count too. What cannot be imported is left to the function that needs it, and to its
    message.
    """
    _warm_up(frozenset(base.__module__ for plugin in _nested(plugins) for base in type(plugin).__mro__))


@cache
def _warm_up(modules: frozenset[str]) -> None:
    waiting, seen = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in sys.modules:
            continue
        seen.add(name)
        for imported, later in _imports(sys.modules[name]):
            if later:
                if imported.partition(".")[0] in NEED_TORCHVISION:
                    prepare()
                with contextlib.suppress(Exception):
                    importlib.import_module(imported)
            if imported.partition(".")[0] == name.partition(".")[0]:
                waiting.append(imported)


def _nested(value: Any) -> Iterator[Plugin]:
    """The plugins that a value is, or holds in its fields."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _nested(item)
    elif isinstance(value, Plugin):
        yield value
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            yield from _nested(getattr(value, field.name))


def _imports(module: ModuleType) -> Iterator[tuple[str, bool]]:
    """The modules that a module's source names, and whether inside a function alone, so that they are imported later.

    `from a import b` names both `a` and `a.b`, which may be a module.
    """
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):  # no source to read
        return
    for node, later in _statements(tree.body):
        if isinstance(node, ast.Import):
            yield from ((alias.name, later) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, later
            yield from ((f"{node.module}.{alias.name}", later) for alias in node.names)


def _statements(body: Iterable[ast.AST], later: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Statements at any depth, and whether they stand in a function. No import hides in an expression: those are most
    of a tree, and are passed by."""
    for statement in body:
        yield statement, later
        inside = later or isinstance(statement, FUNCTIONS)
        for block in BLOCKS:
            yield from _statements(getattr(statement, block, ()), inside)
