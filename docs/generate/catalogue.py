"""The catalogue of methods and the lists of the other plugins, from the registry: nothing here is kept by hand."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from prose import cell, markdown, summary

from labelbench_plus.contracts.capabilities import OF_TASK, WELL_KNOWN, Capability
from labelbench_plus.plugins import From, Infra, Registry, kinds, registry
from labelbench_plus.questions import QUESTIONS
from labelbench_plus.reference import Reference

WITH_A_MODEL = {name for name, capability in WELL_KNOWN.items() if capability.when == "with a model"}
IN_PARENTHESES = re.compile(r"\(([^()]*?(?:\b(?:19|20)\d\d\b|arXiv)[^()]*)\)")
AUTHOR_YEAR = re.compile(r"[A-Z][\w-]+(?: et al\.| (?:and|&) [A-Z][\w-]+)? \((?:19|20)\d\d\)")
STATED = re.compile(r"(Complexity: .*|[Tt]ime (at most )?)O\(|O\(.* time|[Mm]emory O\(")
ARXIV = re.compile(r"arXiv \d{4}\.\d{5}")


def methods() -> str:
    """The page of all strategies."""
    classes = loaded("strategies")
    lines = [
        "# Methods",
        "",
        f"All {len(classes)} strategies that come with the package, from the registry when these pages are built. "
        "*Needs* is what a strategy reads from its view. *Complexity* is what the docstrings of the primitives it "
        "calls say. *Cost* is what the strategy declares it takes, at most, to choose 50 of 50,000 candidates with 512 "
        "features and ten classes; the conformance kit holds it to that. A paper is named only where the code names "
        "one.",
        "",
    ]
    for question in QUESTIONS:
        chosen = {name: cls for name, cls in classes.items() if cls.query == question.name}
        lines += [
            f"## {question.title}",
            "",
            "| method | what it does | paper | needs | serves |",
            "|---|---|---|---|---|",
        ]
        for name, cls in chosen.items():
            papers, served = papers_of(cls) or "–", ", ".join(served_by(cls)) or "–"
            method = f"[{cell(cls.title)}](#{name})<br>`{name}`"
            lines.append(f"| {method} | {cell(summary(cls))} | {papers} | {cell(needs_of(cls))} | {served} |")
        lines.append("")
        for name, cls in chosen.items():
            lines += [f"### {name} {{ #{name} }}", "", *introduced(cls)]
            lines += [*hyperparameters(cls), *facts(cls), ""]
    return "\n".join(lines)


def plugins() -> str:
    """The page of everything else that a suite can name."""
    lines = ["# Other plugins", "", "Everything a suite can name beside strategies, from the registry."]
    for kind in kinds():
        if kind == "strategies":
            continue
        lines += ["", f"## {title(kind)}", ""]
        for name, cls in loaded(kind).items():
            lines += [f"### {name} {{ #{kind}-{name} }}", "", *introduced(cls), *hyperparameters(cls)]
            if kind == "trainers":
                lines += [f"*Learns:* {cls.task}. *Offers to strategies:* {offered(cls)}.", ""]
            if kind == "problems":
                lines += [f"*Sells:* {cls.query}. *Its trainers solve:* {cls.task}.", ""]
    lines += [
        "",
        "## What views may show { #capabilities }",
        "",
        "What a strategy puts into `needs`, and what problems, data sets and trainers offer of it "
        "(`labelbench_plus.contracts.capabilities`). n are the candidates, m the items bought. A plugin declares its "
        "own by `declares`.",
        "",
        *shown_in_views(),
    ]
    return "\n".join(lines)


def title(kind: str) -> str:
    """What people call a kind: the words with which its room begins ("Data sets: one file each. ...")."""
    return (importlib.import_module(f"labelbench_plus.{kind}").__doc__ or kind).partition(":")[0]


def shown_in_views() -> list[str]:
    """A table of what views may show: the well-known capabilities and those that plugins declare."""
    by: dict[Capability, list[str]] = {capability: [] for capability in WELL_KNOWN.values()}
    for kind in ("problems", "datasets", "trainers"):
        for name, cls in loaded(kind).items():
            own = {} if isinstance(cls.declares, property) else {each.name: each for each in cls.declares}
            implied = OF_TASK.get(cls.task, frozenset()) if kind == "problems" else frozenset()
            for each in (capabilities(cls, "provides") or frozenset()) | implied:
                if (found := own.get(each) or WELL_KNOWN.get(each)) is not None:
                    by.setdefault(found, []).append(name)
    return [
        "| capability | attributes | shape | when | reading it takes | what it is | offered by |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| `{each.name}` | {', '.join(f'`{attribute}`' for attribute in each.attributes)} | {cell(each.shape)} | "
            f"{each.when} | {cell(each.cost)} | {cell(each.doc)} | {', '.join(offering) or '–'} |"
            for each, offering in sorted(by.items(), key=lambda item: (item[0].name, item[0].doc))
        ),
        "",
    ]


def loaded(kind: str) -> dict[str, type[Any]]:
    """What comes with this package: built in, or, for the adapters to other projects, by its own entry points."""
    known = registry(kind)
    return {
        name: known.load(name)
        for name, entry in known.entries().items()
        if entry.origin == "built in" or entry.origin.startswith("labelbench-plus ")
    }


def introduced(cls: type[Any]) -> list[str]:
    """Title, publication and docstring of a plugin."""
    lines = [f"**{cell(cls.title)}**", "", markdown(cls.__doc__ or ""), ""]
    return [*lines, f"*Reference:* {linked(cls.reference, cls.reference.in_full())}", ""] if cls.reference else lines


def linked(reference: Reference, text: str) -> str:
    """The text, as a link to the publication where it is known where that can be read."""
    return f"[{cell(text)}]({reference.url})" if reference.url else cell(text)


def papers_of(cls: type[Any]) -> str:
    """The publication that a plugin declares, or else what its docstring cites."""
    return linked(cls.reference, str(cls.reference)) if cls.reference else cell("; ".join(cited_by(cls)))


def cited_by(cls: type[Any]) -> list[str]:
    """What a docstring cites: its "Source:" paragraph, or else the references in its prose."""
    text = inspect.getdoc(cls) or ""
    if source := re.search(r"Source: ((?:[^.]|\.(?!\s|$))*)", text):
        return [" ".join(source[1].split())]
    prose = re.sub(r"\nParameters\n-+\n.*", "", text, flags=re.DOTALL)
    found = [*IN_PARENTHESES.findall(prose), *AUTHOR_YEAR.findall(prose)]
    found = [" ".join(reference.split()) for reference in found if not re.fullmatch(r"(?:19|20)\d\d", reference)]
    return list(dict.fromkeys(found or ARXIV.findall(prose)))


def default_of(cls: type[Any]) -> Any | None:
    """An instance with defaults. What has a field without one is its example, or else holds the first plugin that has
    defaults; None if there is none."""
    if (example := cls.example()) and cls not in plain(kind := _kind_of(cls)):
        return registry(kind).build({"name": cls.name, **example})
    values, hints = {}, get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if field.default is field.default_factory is dataclasses.MISSING:
            marks = getattr(hints[field.name], "__metadata__", ())
            held = next(
                (default_of(each) for mark in marks if isinstance(mark, From) for each in plain(mark.kind)), None
            )
            if held is None:
                return None
            values[field.name] = held
    return cls(**values)


def _kind_of(cls: type[Any]) -> str:
    return next(kind for kind, each in Registry.kinds.items() if issubclass(cls, each.base))


def plain(kind: str) -> list[type[Any]]:
    """The plugins of a kind that need no hyperparameter."""
    required = dataclasses.MISSING
    return [
        cls
        for cls in loaded(kind).values()
        if not any(field.default is field.default_factory is required for field in dataclasses.fields(cls))
    ]


def needs_of(cls: type[Any]) -> str:
    return _listed(cls, "needs")


def offered(cls: type[Any]) -> str:
    return _listed(cls, "provides")


def _listed(cls: type[Any], attribute: str) -> str:
    found = capabilities(cls, attribute)
    if found is None:
        return "depends on its hyperparameters"
    varies = isinstance(getattr(cls, attribute), property)
    return (", ".join(sorted(found)) or "nothing") + (" (varies with the hyperparameters)" if varies else "")


def capabilities(cls: type[Any], attribute: str) -> frozenset[str] | None:
    """What a class needs or provides; where hyperparameters decide, with their defaults; None if there are none."""
    value = getattr(cls, attribute)
    if isinstance(value, property):
        instance = default_of(cls)
        return None if instance is None else frozenset(getattr(instance, attribute))
    return frozenset(value)


def served_by(cls: type[Any]) -> list[str]:
    """The problems that sell what a strategy asks for and offer, with some trainer of theirs, what it needs."""
    needs, served = capabilities(cls, "needs"), []
    for name, problem in loaded("problems").items():
        if problem.query != cls.query:
            continue
        own = (capabilities(problem, "provides") or frozenset()) | OF_TASK.get(problem.task, frozenset())
        trained = [capabilities(t, "provides") for t in loaded("trainers").values() if t.task == problem.task]
        missing = min(((needs or frozenset()) - own - (each or frozenset()) for each in trained), key=len, default=None)
        if missing is not None and not missing:
            served.append(name)
        elif missing and isinstance(problem.provides, property) and not missing & WITH_A_MODEL:
            served.append(f"{name}, where its data offer {', '.join(sorted(missing))}")
    return served


def hyperparameters(cls: type[Any]) -> list[str]:
    """A table of name, type and default."""
    rows, hints = [], get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if any(isinstance(mark, Infra) for mark in getattr(hints[field.name], "__metadata__", ())):
            where = " (says where, takes no part in a run's identity)"
        else:
            where = ""
        if field.default is not dataclasses.MISSING:
            default = f"`{field.default!r}`"
        else:
            default = "required" if field.default_factory is dataclasses.MISSING else "see the source"
        rows.append(f"| `{field.name}` | {cell(str(field.type))}{where} | {cell(default)} |")
    return ["| hyperparameter | type | default |", "|---|---|---|", *rows, ""] if rows else []


def facts(cls: type[Any]) -> Iterator[str]:
    """Complexity, cost and what a reader must know before comparing."""
    if costs := complexity(cls):
        yield f"*Complexity:* {cell(' '.join(costs))}\n"
    yield f"*Cost, at most:* {cls.cost.seconds:g} s on one core, {cls.cost.megabytes:g} MB.\n"
    if cls.uses_hidden_labels:
        yield "*It uses hidden labels:* it may only make the first round, and results say so.\n"
    if cls.knows_truth:
        yield "*It knows the truth:* it is a bound, not a method, and results say so.\n"


def complexity(cls: type[Any]) -> list[str]:
    """The sentences with O(...) in the docstrings of the primitives that a strategy's module imports."""
    sentences = []
    for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(cls)))):  # type: ignore[arg-type]
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labelbench_plus.algorithms."):
            home = importlib.import_module(str(node.module))
            for alias in node.names:
                prose = re.sub(r"^\w+\n-+$", "", inspect.getdoc(getattr(home, alias.name)) or "", flags=re.MULTILINE)
                text = " ".join(prose.split())
                found = [part for part in re.split(r"(?<=\.) (?=[A-Z])", text) if STATED.search(part)]
                sentences += [f"`{alias.name}`: {part.removeprefix('Complexity: ')}" for part in found]
    return list(dict.fromkeys(sentences))
