"""No family of methods is known by name but at home: everybody else asks the kind of question (`questions`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from labelbench_plus.questions import QUESTIONS
from tests.architecture.imports import KINDS, modules, tree
from tests.architecture.test_direction import room

WORDS = {question.name for question in QUESTIONS}
CLASSES = {each.__name__ for question in QUESTIONS for each in (question.strategy, question.view, *question.forms)}
FUNCTIONS = {"as_items", "as_counts"}

# At home: the kinds themselves, what they are made of, and plugins, each of which is of one family.
HOMES = {"questions", "contracts", "oracle", "view", "source_tasks", "pairs", *KINDS, "adapters"}
AT_HOME = {"labelbench_plus.testing.pool_scene": "pools made by hand, for questions that say they can be"}


def elsewhere() -> list[str]:
    return [module for module in modules() if room(module) not in HOMES and module not in AT_HOME]


def families_named(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, what) wherever a kind of question is told from others by its word or by a class of its own."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            if room(str(node.module)) in HOMES:
                yield from ((node.lineno, each.name) for each in node.names if each.name in CLASSES | FUNCTIONS)
        elif isinstance(node, ast.Compare) and any(
            isinstance(part, ast.Attribute) and part.attr == "query" for part in ast.walk(node)
        ):
            yield from ((node.lineno, word) for word in words(node))
        elif isinstance(node, ast.Dict) and len(WORDS & set(words(*filter(None, node.keys)))) > 1:
            yield node.lineno, "a table of kinds"


def words(*nodes: ast.AST) -> list[str]:
    return [
        part.value
        for node in nodes
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in WORDS
    ]


def test_nobody_else_names_a_family():
    wrong = [f"{module}:{line}: {what}" for module in elsewhere() for line, what in families_named(tree(module))]
    assert not wrong, "ask `questions.of(...)` instead:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "if strategy.query == 'pool': pass",
        "if 'pairs' in (strategy.query,): pass",
        "MONEY = {'pool': 8.0, 'sources': 200.0}",
        "from labelbench_plus.source_tasks.allocation import Allocation",
        "from labelbench_plus.oracle import QueryError, StratifiedDraw",
    ],
)
def test_what_would_name_one_is_seen(code):
    assert list(families_named(ast.parse(code)))


def test_what_is_at_home_needs_to_be():
    assert not [module for module in AT_HOME if not list(families_named(tree(module)))]
