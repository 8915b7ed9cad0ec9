"""What pydantic found wrong, in words that help: which field, what came, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

OURS = ("plugin", "value_error", "assertion_error")
MISSING = ("missing", "missing_argument", "missing_keyword_only_argument", "missing_positional_only_argument")
EXPECTED = {
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode"), "a text"),
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "a mapping of fields"),
    **dict.fromkeys(("dataclass_type", "dataclass_exact_type"), "a mapping of fields"),
    "path_type": "a path",
    "none_required": "null",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of them, not {actual_length}",
    "too_long": "at most {max_length} of them, not {actual_length}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a text of the form {pattern}",
}
LONGEST = 80

Path = tuple[str | int, ...]


def did_you_mean(name: str, known: Iterable[str], n: int = 1) -> str:
    """`; did you mean 'margin'?`, or nothing if none is near."""
    names = list(known)
    begin_so = [each for each in names if len(name) > 2 and each.startswith(name)]
    close = begin_so[:n] or difflib.get_close_matches(name, names, n=n, cutoff=0.5 if n == 1 else 0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def with_article(word: str) -> str:
    """`a strategy`, `an encoder`."""
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def worded(fault: Mapping[str, Any]) -> str:
    """What a fault of a `ValidationError` says, with the value that came where that is short."""
    kind, message = fault["type"], str(fault["msg"])
    if kind in MISSING:
        return "is missing"
    if kind in OURS:
        return message
    if kind in EXPECTED:
        message = "expected " + EXPECTED[kind].format(**{k: _bare(v) for k, v in fault.get("ctx", {}).items()})
    elif kind == "extra_forbidden":
        message = "unknown field"
    if kind == "literal_error" and isinstance(fault["input"], str):
        message += did_you_mean(
            fault["input"], fault["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        )
    came = repr(fault["input"])
    return (
        message if isinstance(fault["input"], dict | list | tuple) or len(came) > LONGEST else f"{message} (got {came})"
    )


def told(error: ValidationError, data: Any) -> list[tuple[Path, str]]:
    """What is wrong with data, and where: one entry a place.

    Where a value may be one of several things, all of them are said. A list that lost its only entry to a fault is not
    itself at fault.
    """
    faults = error.errors(include_url=False)
    found: dict[Path, list[str]] = {}
    for fault in faults:
        if any(len(other["loc"]) > len(fault["loc"]) == _common(other["loc"], fault["loc"]) for other in faults):
            continue
        path = place_in(data, fault["loc"], named=fault["type"] in (*MISSING, "extra_forbidden"))
        entry = fault.get("ctx", {}).get("entry")
        found.setdefault(path if entry is None else (*path, entry), []).append(worded(fault))
    return [(path, _any_of(messages)) for path, messages in found.items()]


def place_in(data: Any, loc: Sequence[str | int], *, named: bool) -> Path:
    """The part of a fault's place that is in the data: pydantic also names the type that it tried.

    Parameters
    ----------
    named: the last part names what is missing, or should not be there.
    """
    path: list[str | int] = []
    node = data
    for number, part in enumerate(loc):
        inside = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
        if inside:
            node = node[part] if isinstance(node, dict) or part < len(node) else None  # type: ignore[operator]
        if inside or (named and number == len(loc) - 1):
            path.append(part)
    return tuple(path)


def with_suggestions(error: ValidationError, plugin: str, known: Collection[str]) -> ValidationError:
    """The same error, with unknown hyperparameters of a plugin answered by the known ones."""
    faults: list[InitErrorDetails] = []
    for fault in error.errors(include_url=False):
        kind: str | PydanticCustomError = fault["type"]
        context = fault.get("ctx", {})
        if kind == "unexpected_keyword_argument":
            allowed = f"(allowed: {', '.join(known)})" if known else "(it has none)"
            name = str(fault["loc"][-1])
            what = f"unknown hyperparameter of {plugin!r}{did_you_mean(name, known)} {allowed}"
            kind = PydanticCustomError("plugin", "{what}", {"what": what})
        elif kind == "plugin":
            kind = PydanticCustomError("plugin", "{what}", context)
        faults.append(InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"], ctx=context))
    return ValidationError.from_exception_data(error.title, faults)


def too_large(plugin: str, given: Mapping[str, Any], beyond: Mapping[str, int]) -> ValidationError:
    """That these hyperparameters of a plugin are larger than they may be: by name, what each may be at most."""
    faults: list[InitErrorDetails] = []
    for name, most in beyond.items():
        what = f"must be at most {most:,} (got {given[name]})"
        kind = PydanticCustomError("plugin", "{what}", {"what": what})
        faults.append(InitErrorDetails(type=kind, loc=(name,), input=given[name]))
    return ValidationError.from_exception_data(plugin, faults)


def _common(left: Sequence[Any], right: Sequence[Any]) -> int:
    """How many leading parts two paths share."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _bare(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _any_of(messages: Sequence[str]) -> str:
    """Several faults of one value as one: `expected a whole number or a text (got 1.5)`."""
    different = list(dict.fromkeys(messages))
    if len(different) > 1 and all(each.startswith("expected ") for each in different):
        first, *rest = [each.removeprefix("expected ") for each in different]
        came = rest[-1][rest[-1].rfind(" (got ") :] if " (got " in rest[-1] else ""
        return "expected " + " or ".join(each.removesuffix(came) for each in (first, *rest)) + came
    return "; ".join(different)
