"""What views show, held against what problems, data and trainers declare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.testing.report import Failure
from labelbench_plus.view import View

ROWS = {"n": "candidates", "m": "labelled"}  # what the letters of a shape count


def check_shown(view: View, offered: Mapping[str, Capability], check: str, who: str) -> str:
    """See to it that a view shows all that is offered, in the shape that is declared.

    Of a capability with a shape for each of its attributes one of them must be there: a continuous space of sources has
    no list of their heads.

    Returns
    -------
    The names of what can be read, in words.

    Raises
    ------
    Failure
        Under the id `check`: something cannot be read, or has another number of rows; `who` says who offers it.
    """
    read = []
    for name, capability in offered.items():
        own = [attribute for attribute, (belongs, _) in view._providers.items() if belongs == name]
        several = len(_shapes(capability)) > 1
        wanted = list(capability.attributes) if capability.shape and not (several and own) else own
        for attribute in wanted:
            if attribute not in own:
                raise Failure(check, f"{who} offers {name!r}, but its views have no view.{attribute}")
            try:
                value = getattr(view, attribute)
            except Exception as error:  # whatever third-party code raises
                what = f"{who} offers {name!r}, but view.{attribute}: {type(error).__name__}: {error}"
                raise Failure(check, what) from error
            if wrong := _other_shape(view, attribute, value, capability):
                raise Failure(check, f"view.{attribute} is declared as {capability.shape!r}, but {wrong}")
        read += wanted
    return ", ".join(read) or "nothing is offered"


def check_undeclared(view: View, offered: Mapping[str, Capability], check: str) -> None:
    """See to it that a view without a model shows nothing that its problem does not declare."""
    for attribute, (capability, _) in view._providers.items():
        if capability not in offered and attribute not in view.served_to_all:
            what = f"view.{attribute} belongs to {capability!r}, which the problem does not name in `provides`"
            raise Failure(check, what)


def dimensions(capability: Capability, attribute: str | None = None) -> list[str] | None:
    """The letters and numbers of a declared shape: ["M", "n", "K"]; None if it is no shape of an array.

    `attribute` says which of several shapes, where each has its own.
    """
    shapes = _shapes(capability)
    if not shapes:
        return None
    own = attribute in capability.attributes and len(shapes) == len(capability.attributes) > 1
    return shapes[capability.attributes.index(str(attribute))] if own else shapes[0]


def _shapes(capability: Capability) -> list[list[str]]:
    found = re.findall(r"\(([^)]*)\)", capability.shape)
    return [[part.strip() for part in shape.split(",") if part.strip()] for shape in found]


def _other_shape(view: View, attribute: str, value: Any, capability: Capability) -> str:
    """How a value differs from what is declared, in words; nothing if it does not."""
    letters = dimensions(capability, attribute)
    if letters is None:
        return "" if capability.shape != "int" or isinstance(value, int) else f"it is {type(value).__name__}"
    if not isinstance(value, np.ndarray | torch.Tensor):
        return f"it is {type(value).__name__}"
    of_bought = attribute.startswith("labelled_")
    for place, letter in enumerate(letters):
        rows = getattr(view, ROWS["m" if of_bought else letter], None) if letter in ROWS else None
        wanted = len(rows) if rows is not None else int(letter) if letter.isdigit() else None
        if wanted is not None and (value.ndim <= place or value.shape[place] != wanted):
            return f"has shape {tuple(value.shape)}, where {letter} is {wanted}"
    if "..." not in letters and value.ndim != len(letters):
        return f"has shape {tuple(value.shape)}"
    return ""
