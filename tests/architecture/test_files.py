"""Files: as long as one idea, and called what they hold."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.imports import KINDS, PACKAGE, modules, tree

LONGEST = 450
"""Lines a module may have. Most have fewer than 200."""

LONGER: dict[str, str] = {
    "testing.strategy_checks": "one short function a check, all alike, each with what it means and how to mend it",
}


def length(module: str) -> int:
    return len(modules()[module].read_text(encoding="utf-8").splitlines())


def test_no_module_is_long_without_a_reason():
    reasons = {f"{PACKAGE}.{name}" for name in LONGER}
    long = {module: length(module) for module in modules() if length(module) > LONGEST and module not in reasons}
    assert not long, f"more than {LONGEST} lines: split them, or give a reason in LONGER: {long}"


def test_no_reason_is_left_over():
    short = [name for name in LONGER if f"{PACKAGE}.{name}" not in modules() or length(f"{PACKAGE}.{name}") <= LONGEST]
    assert not short, f"LONGER gives reasons for modules that need none any more: {short}"


def plugin_files(kind: str) -> list[str]:
    home = f"{PACKAGE}.{kind}."
    return [
        module
        for module, file in modules().items()
        if module.startswith(home) and file.stem != "__init__" and "._" not in module
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_file_registers_exactly_its_own_name(kind):
    files = plugin_files(kind)
    assert files
    for module in files:
        name = module.rpartition(".")[2]
        assert registered(module, kind) == [name], f"{module}: the file's name is the plugin's"


def registered(module: str, kind: str) -> list[str]:
    """The names under which a module's classes are registered: `@strategies.register("margin")`."""
    return [
        str(ast.literal_eval(decorator.args[0]))
        for node in tree(module).body
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"{kind}.register"
    ]


def test_every_module_says_what_it_is():
    silent = [module for module in modules() if length(module) and not ast.get_docstring(tree(module))]
    assert not silent, f"modules without a docstring: {silent}"
