"""What each module of the package imports, read from its source: nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labelbench_plus.plugins import kinds

ROOT = Path(__file__).parents[2]
PACKAGE = "labelbench_plus"
KINDS = kinds()


@dataclass(frozen=True, order=True)
class Import:
    """`importer` imports `imported`; `lazily` if inside a function, `for_types` if for annotations alone."""

    importer: str
    imported: str
    lazily: bool
    for_types: bool


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package."""
    found = {}
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports() -> tuple[Import, ...]:
    """Every import, ours and others'."""
    return tuple(sorted({found for module in modules() for found in _of(module, tree(module), False, False)}))


def _of(module: str, node: ast.AST, lazily: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for inner in child.body:
                yield from _of(module, ast.Module([inner], []), lazily, True)
            for other in child.orelse:
                yield from _of(module, ast.Module([other], []), lazily, for_types)
        elif isinstance(child, ast.Import):
            yield from (Import(module, alias.name, lazily, for_types) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: imports are absolute here"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                yield Import(module, whole if whole in modules() else str(child.module), lazily, for_types)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _of(module, child, lazily or inside, for_types)


def ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")
