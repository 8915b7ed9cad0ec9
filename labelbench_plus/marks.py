"""Marks on hyperparameters: what takes no part in a run's identity, and what leads out of the benchmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

LARGEST = 10**9
"""Of whole numbers whose field says no bound of its own: beyond it they are a slip, which would hang or fill memory."""

LARGEST_SEED = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Infra:
    """Marks a field that says *where* or *how*, never *what*: it takes no part in a run's identity.

    Use it as `root: Annotated[Path | None, Infra()] = None`. Unmarked fields are part of the identity, which is
    the safe side: a forgotten mark costs a recomputation, never a wrong answer.
    """


@dataclasses.dataclass(frozen=True)
class Since:
    """Marks a field that a published plugin got later: at its default it takes no part in identity *nor* description.

    Use it as `margin: Annotated[float, Since("0.2")] = 0.0`, with the default that is what the plugin did before. Ids
    and configs of what was published then stay what they are, and are built as ever. The default may never change.

    Where another default is better than what was done before, say both: `Annotated[float, Since("0.2", before=0.0)] =
    0.25`. Then it is `before` that is left out, of identity, description and label, and a description without the
    field (a mapping with a `version`, as `describe` writes it) is built with it. `before` may never change.

    Parameters
    ----------
    version: of the package, the first that had the field. For readers.
    before: what the plugin did before, if that is not the default (`...`).
    """

    version: str
    before: Any = ...


@dataclasses.dataclass(frozen=True)
class Outside:
    """Marks a field whose value leads out of the benchmark: to code, to files of somebody's machine, to the network.

    Use it as `root: Annotated[Path | None, Infra(), Outside("files")] = None`. What strangers send in (submissions,
    archives, runs of a W&B project) is never built with such a value unless whoever reads it allows that very value:
    see `strangers`.

    Parameters
    ----------
    to: where it leads.
    only: the values that do; all do if empty, but for null, false and an empty list.
    but: values that do not.
    beginning: texts that do begin so.
    """

    to: Literal["code", "files", "the network"]
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    beginning: str = ""

    def leads(self, value: Any) -> bool:
        """Whether a value, as JSON has it, leads outside."""
        if value is None or value is False or value in ([], ()) or value in self.but:
            return False
        return value in self.only if self.only else str(value).startswith(self.beginning)


def marks_of(hint: Any) -> tuple[Any, ...]:
    """What an annotation carries beside its type."""
    return getattr(hint, "__metadata__", ())


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default; `dataclasses.MISSING` if it has none."""
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def unsaid(field: dataclasses.Field[Any], marks: Iterable[Any]) -> Any:
    """The value that goes without saying: what was done before there was the field, else its default."""
    for mark in marks:
        if isinstance(mark, Since) and mark.before is not ...:
            return mark.before
    return default_of(field)


def before(hints: Mapping[str, Any]) -> dict[str, Any]:
    """What a plugin with these annotated fields did before it had some of them, where that is not their default."""
    marked = [(name, mark) for name, hint in hints.items() for mark in marks_of(hint)]
    found = {name: mark.before for name, mark in marked if isinstance(mark, Since)}
    return {name: value for name, value in found.items() if value is not ...}


def beyond(hints: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, int]:
    """Fields that were given a whole number above what they may be at most, and that bound.

    It is `LARGEST`, unless the field has an upper bound of its own, which whoever reads it checks, or is a seed.
    """
    found = {}
    for name, value in given.items():
        most = LARGEST_SEED if name.endswith("seed") else LARGEST
        numbers = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(number, int) and abs(number) > most for number in numbers) and not _bounded(hints.get(name)):
            found[name] = most
    return found


def _bounded(hint: Any) -> bool:
    """Whether an annotation has an upper bound, however deep."""
    if any(getattr(mark, bound, None) is not None for mark in marks_of(hint) for bound in ("le", "lt")):
        return True
    return any(map(_bounded, get_args(hint)))
