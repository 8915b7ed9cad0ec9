"""What pydantic found wrong, in words that help."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def worded(fault: Mapping[str, Any]) -> str:
    """What a fault of a `ValidationError` says, with the value that came where that is short."""
    message = str(fault["msg"])
    if fault["type"] in ("plugin", "missing") or isinstance(fault["input"], dict | list):
        return message
    return f"{message} (got {fault['input']!r})"


def with_suggestions(error: ValidationError, plugin: str, known: Collection[str]) -> ValidationError:
    """The same error, with unknown hyperparameters of a plugin answered by the known ones."""
    faults: list[InitErrorDetails] = []
    for fault in error.errors(include_url=False):
        kind: str | PydanticCustomError = fault["type"]
        context = fault.get("ctx", {})
        if kind == "unexpected_keyword_argument":
            close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            allowed = f"(allowed: {', '.join(known)})" if known else "(it has none)"
            what = f"unknown hyperparameter of {plugin!r}{hint} {allowed}"
            kind = PydanticCustomError("plugin", "{what}", {"what": what})
        elif kind == "plugin":
            kind = PydanticCustomError("plugin", "{what}", context)
        faults.append(InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"], ctx=context))
    return ValidationError.from_exception_data(error.title, faults)
