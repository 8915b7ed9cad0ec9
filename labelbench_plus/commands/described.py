"""What is known of a plugin, for people: in a line of a list, and in full."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from labelbench_plus.contracts.capabilities import in_words
from labelbench_plus.plugins import BUILT_IN, Entry, From, Infra, Registry

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
ITEM = re.compile(r"^([\w, ]+): ?(.*)$")
WIDTH = 100
COMMON = {
    "steps": "how many steps of the optimiser.",
    "batch": "examples in each step.",
    "learning_rate": "the largest of the schedule.",
    "weight_decay": "as AdamW has it.",
    "warmup": "share of the steps in which the learning rate rises.",
    "l2": "penalty on the squared weights, relative to the mean loss.",
    "noise": "standard deviation of the labels' noise.",
    "target_labels": "labels of the target that everybody has.",
    "test_size": "examples that are evaluated on.",
    "target_ridge": "penalty on the targets' heads.",
    "rank": "dimension of the representation.",
    "floor": "labels that every source gets whatever its relevance.",
    "retrieval_among": "among how many pairs a partner has to be found.",
}
"""The meaning of fields with these names, where a docstring does not give one."""
INSIDE = {
    "problems": "problems:\n  - {}",
    "trainers": "trainers: [{}]",
    "strategies": "strategies: [{}]",
    "conditions": "conditions: [{}]",
    "metrics": "metrics: [{}]",
    "datasets": "dataset: {}",
    "encoders": "encoder: {}",
    "networks": "network: {}",
    "pair_pools": "pool: {}",
}


def summary(entry: Entry) -> tuple[str, str]:
    """The title of a plugin and the first sentence of its docstring; of a third-party one, where it comes from.

    Nothing is imported: the file is read.
    """
    if entry.origin != BUILT_IN:
        return "", f"from {entry.origin}"
    root = Path(__file__).parents[2]
    file = root.joinpath(*entry.target.split(".")).with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and _registered(node) == entry.name:
            return _titled(node), first_sentence(ast.get_docstring(node) or "")
    return "", ""


def _titled(node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.Assign | ast.AnnAssign) and isinstance(each.value, ast.Constant):
            names = each.targets if isinstance(each, ast.Assign) else [each.target]
            if any(isinstance(name, ast.Name) and name.id == "title" for name in names):
                return str(each.value.value)
    return ""


def _registered(node: ast.ClassDef) -> str | None:
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "register":
            (name, *_) = each.args
            return str(getattr(name, "value", ""))
    return None


def first_sentence(docstring: str) -> str:
    """The first sentence, on one line."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]


def in_full(kind: str, found: Registry[Any], name: str) -> str:
    """What a plugin is, its paper, its fields with what they mean, what it needs, what it takes, and how to name it."""
    cls, entry = found.load(name), found.entries()[name]
    prose, _ = _parts_of(inspect.getdoc(cls) or "")
    lines = [f"{cls.title}: {found.kind} {name!r}, {entry.origin}, version {cls.version}", ""]
    lines += [line for paragraph in prose for line in [*_wrapped(paragraph), ""]]
    if cls.reference is not None:
        url = f"  {cls.reference.url}" if cls.reference.url else ""
        lines += [f"paper: {cls.reference.in_full()}{url}", ""]
    if fields := list(_fields(cls)):
        lines += ["fields:", *fields, ""]
    if (declared := in_words(kind, cls)) and declared != "offers nothing":
        lines.append(declared)
    if (cost := getattr(cls, "cost", None)) is not None:
        lines.append(f"cost, at most: {cost.seconds:g} s and {cost.megabytes:g} MB to choose 50 of 50,000 x 512")
    lines += ["", "in a suite:", textwrap.indent(in_a_suite(kind, cls), "  ")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def in_a_suite(kind: str, cls: type[Any]) -> str:
    """YAML to paste: what the docstring shows, else the name with the fields that have no default."""
    _, sections = _parts_of(inspect.getdoc(cls) or "")
    if "Example" in sections:
        return sections["Example"].strip()
    missing = dataclasses.MISSING
    required = [each.name for each in dataclasses.fields(cls) if each.default is each.default_factory is missing]
    example = cls.example() or {}
    given = {"name": cls.name, **{field: example.get(field, "...") for field in required}}
    flow = json.dumps(given, ensure_ascii=False, default=str)
    plain = re.sub(r'"([A-Za-z_][\w./-]*)"', r"\1", flow) if required else cls.name
    return INSIDE.get(kind, "{}").format(plain.replace("...", "…"))


def meanings(cls: type[Any]) -> dict[str, str]:
    """What docstrings say of a plugin's fields: its own, else those of the classes it derives from."""
    found = dict(COMMON)
    for each in reversed(cls.__mro__):
        _, sections = _parts_of(inspect.cleandoc(each.__dict__.get("__doc__") or ""))
        found |= _meanings(sections.get("Parameters", "")) if each is not object else {}
    return found


def _fields(cls: type[Any]) -> Iterator[str]:
    hints, told = get_type_hints(cls, include_extras=True), meanings(cls)
    for field in dataclasses.fields(cls):
        marks = getattr(hints[field.name], "__metadata__", ())
        holds = next((f"one of `lbp list {mark.kind}`" for mark in marks if isinstance(mark, From)), "")
        if field.default is not dataclasses.MISSING:
            default = f"= {_shown(field.default)}"
        else:
            default = "required" if field.default_factory is dataclasses.MISSING else "optional"
        where = "(no part of a run's identity)" if any(isinstance(mark, Infra) for mark in marks) else ""
        meaning = " ".join(filter(None, [told.get(field.name, "") or holds, where]))
        body = textwrap.fill(meaning, WIDTH, initial_indent="      ", subsequent_indent="      ")
        yield f"  {field.name} {default}" + (f"\n{body}" if meaning else "")


def _shown(value: Any) -> str:
    named = getattr(value, "name", None)
    return str(named) if dataclasses.is_dataclass(value) and named else json.dumps(value, default=str)


def _parts_of(docstring: str) -> tuple[list[str], dict[str, str]]:
    """The paragraphs of a docstring, and its sections by title. Paragraphs below the parameters are prose as well."""
    prose, *rest = SECTION.split(docstring)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    paragraphs = prose.strip().split("\n\n")
    for title, body in sections.items():
        entries, *after = body.strip().split("\n\n")
        if title == "Parameters" and after:
            stray = [part for part in after if not ITEM.match(part.split("\n")[0]) or part.startswith("Source")]
            sections[title] = "\n".join([entries, *(part for part in after if part not in stray)])
            paragraphs += stray
    return [part for part in paragraphs if part.strip()], sections


def _wrapped(paragraph: str) -> list[str]:
    """The lines of a paragraph; a list keeps its own."""
    if re.match(r"\s*(\d+[.:]|[*-]) ", paragraph):
        return textwrap.dedent(paragraph).splitlines()
    return textwrap.wrap(" ".join(paragraph.split()), WIDTH)


def _meanings(parameters: str) -> dict[str, str]:
    """What a docstring says of each parameter. Several that share an entry share what it says."""
    entries: list[str] = []
    for line in parameters.strip().splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        elif line.strip():
            entries.append(line.strip())
    found: dict[str, str] = {}
    for entry in entries:
        for part in re.split(r"(?<=[.;]) (?=\w+(?:, \w+)*: )", entry):  # one line may say two things
            if item := ITEM.match(part):
                found.update(dict.fromkeys(map(str.strip, item[1].split(",")), item[2].rstrip(";,")))
    return found
