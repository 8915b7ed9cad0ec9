"""Reading YAML that people write: plain values, as many as a person can mean, and where in the text each stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_VALUES = 250_000
"""An alias stands for all that it names, so that a dozen lines can stand for a billion values."""
MAX_DEPTH = 50


class YAMLRefused(ValueError):
    """A text is not YAML, or stands for more than anybody means.

    Attributes
    ----------
    place: ":line:column" of the fault, from 1; empty where it has none.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(what)
        self.place = place


def load_yaml(text: str) -> tuple[Any, Any]:
    """What a YAML 1.2 text says, as plain values, and the parser's containers, which know their lines and columns.

    Mappings have text as keys. Dates and what else has a type of its own in YAML come as text.

    Raises
    ------
    YAMLRefused
        Not valid, nested deeper than `MAX_DEPTH`, or more than `MAX_VALUES` values with what its aliases stand for.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        marked = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise YAMLRefused(f"not valid YAML: {error.problem or error.context}", place) from error
    except (YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:  # `!!bool maybe` is a KeyError
        raise YAMLRefused(f"not valid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise YAMLRefused(f"nested deeper than {MAX_DEPTH}") from error
    return _Plain().of(marked, 0), marked


def place(marked: Any, path: Sequence[str | int]) -> str:
    """`line:column`, from 1, of the value at a path, or of the deepest ancestor that is there.

    Parameters
    ----------
    marked: the containers that `load_yaml` gives.
    """
    line, column = 0, 0
    for part in path:
        inside = part in marked if isinstance(marked, dict) else isinstance(part, int) and isinstance(marked, list)
        if not inside or (isinstance(marked, list) and not 0 <= part < len(marked)):  # type: ignore[operator]
            break
        if (where := getattr(marked, "lc", None)) is None:
            break
        line, column = where.key(part) if isinstance(marked, dict) else where.item(part)
        marked = marked[part]
    return f"{line + 1}:{column + 1}"


class _Plain:
    """The parser's containers and scalars as plain Python values, counted as they are unfolded."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, node: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise YAMLRefused(f"more than {MAX_VALUES:,} values, with what its aliases stand for")
        if depth > MAX_DEPTH:
            raise YAMLRefused(f"nested deeper than {MAX_DEPTH}")
        if isinstance(node, dict):
            return {str(key): self.of(value, depth + 1) for key, value in node.items()}
        if isinstance(node, list):
            return [self.of(value, depth + 1) for value in node]
        for kind in (bool, int, float, str):
            if isinstance(node, kind):
                return kind(node)
        return node if node is None else str(node)
