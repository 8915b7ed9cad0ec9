"""Marks on hyperparameters: what takes no part in a run's identity, and what leads out of the benchmark."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal


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

    Parameters
    ----------
    version: of the package, the first that had the field. For readers.
    """

    version: str


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
