"""The reference, from signatures and docstrings.

A generator of our own, a page long, because docstrings here are not numpydoc's: an entry is `name: what it is`, with
types in the signature alone. mkdocstrings reads the text after the colon as a type.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import Any

from prose import cell, markdown, summary

import labelbench_plus
from labelbench_plus import algorithms
from labelbench_plus.plugins import Registry, kinds
from labelbench_plus.questions import QUESTIONS

SEEN_BY_PLUGINS = (
    "labelbench_plus.view.ItemView",
    *(f"{each.__module__}.{each.__name__}" for question in QUESTIONS for each in (question.view, *question.forms)),
    "labelbench_plus.problems.classification.ClassificationData",
    "labelbench_plus.problems.classification.Examples",
    "labelbench_plus.problems.regression.RegressionData",
    "labelbench_plus.problems.regression.Measurements",
    "labelbench_plus.problems.regression.RegressionModel",
    "labelbench_plus.contracts.capabilities.Capability",
    "labelbench_plus.contracts.capabilities.providers_of_model",
    "labelbench_plus.budget.Ledger",
    "labelbench_plus.budget.Purchase",
    "labelbench_plus.answers.AnswerKind",
    "labelbench_plus.oracle.Oracle",
    "labelbench_plus.oracle.ItemOracle",
    "labelbench_plus.oracle.PoolOracle",
    "labelbench_plus.oracle.AnswersPending",
    "labelbench_plus.seeding.Streams",
    "labelbench_plus.plugins.Plugin",
    "labelbench_plus.plugins.Infra",
    "labelbench_plus.plugins.Since",
    "labelbench_plus.plugins.From",
)


def python() -> str:
    """What a script or a notebook imports."""
    lines = ["# Python", "", "What `import labelbench_plus` offers. `pandas` tables come back; nothing is printed.", ""]
    for name in labelbench_plus.__all__:
        if not name.startswith("__"):
            lines += entry(f"labelbench_plus.{name}", getattr(labelbench_plus, name))
    kit = importlib.import_module("labelbench_plus.testing")
    lines += ["## The conformance kit: labelbench_plus.testing", "", markdown(kit.__doc__ or ""), ""]
    for name in kit.__all__:
        lines += entry(f"labelbench_plus.testing.{name}", getattr(kit, name))
    return "\n".join(lines)


def contracts() -> str:
    """What plugins are written against."""
    lines = ["# Contracts", "", "What a plugin derives from, what it is handed, and what it hands back."]
    for kind in kinds():
        module = importlib.import_module(f"labelbench_plus.{kind}")
        lines += ["", f"## {kind}", "", markdown(module.__doc__ or ""), ""]
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, Registry):
                lines += [f"`{module.__name__}.{name}`: the registry. `@{name}.register(NAME)` adds a class.", ""]
            elif inspect.isclass(value) or inspect.isfunction(value):
                lines += entry(f"{module.__name__}.{name}", value)
    lines += ["", "## What plugins see", ""]
    for path in SEEN_BY_PLUGINS:
        home, _, name = path.rpartition(".")
        lines += entry(path, getattr(importlib.import_module(home), name))
    return "\n".join(lines)


def primitives() -> str:
    """The functions on tensors."""
    lines = [
        "# Primitives",
        "",
        "`labelbench_plus.algorithms`: plain functions on tensors. They know nothing of pools, views or registries "
        "and can be used on their own.",
    ]
    home = f"{algorithms.__name__}."
    for found in pkgutil.walk_packages(algorithms.__path__, home):
        module = importlib.import_module(found.name)
        public = {
            name: value
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        }
        if public:
            lines += ["", f"## {found.name.removeprefix(home)}", "", *_fenced_if_table(module.__doc__ or ""), ""]
            for name, value in public.items():
                lines += entry(name, value)
    return "\n".join(lines)


def _fenced_if_table(docstring: str) -> list[str]:
    """A module's docstring; one that draws a table in plain text is shown as it stands."""
    text = inspect.cleandoc(docstring)
    return ["```text", text, "```"] if re.search(r"^={4,}", text, flags=re.MULTILINE) else [markdown(text)]


def entry(title: str, value: Any) -> list[str]:
    """Heading, signature and docstring of a function, or of a class and its public methods."""
    lines = [f"### {cell(title)}", ""]
    if inspect.isfunction(value):
        return [*lines, "```python", signature(value), "```", "", markdown(value.__doc__ or ""), ""]
    lines += [markdown(value.__doc__ or ""), ""]
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        if inspect.isfunction(member):
            lines += ["```python", signature(member), "```", "", markdown(member.__doc__ or ""), ""]
        elif isinstance(member, property):
            lines += [f"- `{name}`: {cell(summary(member))}"]
    return [*lines, ""]


def signature(function: Any) -> str:
    text = f"def {function.__name__}{inspect.signature(function)}".replace("'", "")
    if len(text) <= 100:
        return text
    parts = [str(parameter).replace("'", "") for parameter in inspect.signature(function).parameters.values()]
    returned = text.rpartition(") -> ")[2] if ") -> " in text else "Any"
    return f"def {function.__name__}(\n    " + ",\n    ".join(parts) + f",\n) -> {returned}"
