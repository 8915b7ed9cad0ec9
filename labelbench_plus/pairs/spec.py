"""What an out-of-core selection is: its description, the id that is the hash of it, and the file that says it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Interval
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from labelbench_plus.contracts.pair_pools import PairPool
from labelbench_plus.contracts.strategies import Strategy
from labelbench_plus.faults import told
from labelbench_plus.inputs.plain_yaml import YAMLRefused, load_yaml, place
from labelbench_plus.pairs.strategy import PairStrategy, Stage, fraction_of
from labelbench_plus.plugins import From, describe
from labelbench_plus.shipped import unknown
from labelbench_plus.spec import canonical

PROTOCOL = 2  # 2: scores are ranked in the precision they come in
"""Raised when the same description would give another selection; part of every selection's identity."""


class SelectionError(Exception):
    """A selection cannot be made. The message says what is wrong and what would be right."""


class Selection(BaseModel):
    """Keep part of a pool: a pool, a strategy, and exactly one of `fraction`, `count` and `at_least`.

    Attributes
    ----------
    fraction: of the pool's pairs, rounded down. count: so many. at_least: all that the last stage gives that score.
    ties: "uid" keeps exactly as many as asked for, the lowest uids among equals; "datacomp" keeps one more and all that
        equal it, as DataComp's own program does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    pool: Annotated[PairPool, From("pair_pools")]
    strategy: Annotated[Strategy, From("strategies")]
    fraction: Annotated[float, Interval(gt=0, le=1)] | None = None
    count: Annotated[int, Ge(0)] | None = None
    at_least: float | None = None
    ties: Literal["uid", "datacomp"] = "uid"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_size(self) -> Selection:
        if sum(each is not None for each in (self.fraction, self.count, self.at_least)) != 1:
            raise PydanticCustomError("size", "give exactly one of fraction, count and at_least")
        if not isinstance(self.strategy, PairStrategy):
            what = {"name": self.strategy.name}
            raise PydanticCustomError("strategy", "strategy '{name}' does not choose pairs", what)
        return self

    def as_json(self, *, semantic_only: bool = False) -> dict[str, Any]:
        """Every field resolved; `Selection.model_validate` builds an equal one from it.

        With `semantic_only`, what merely says where things are is left out.
        """
        plain = {name: getattr(self, name) for name in ("fraction", "count", "at_least", "ties", "seed")}
        plugins = {name: describe(getattr(self, name), semantic_only=semantic_only) for name in ("pool", "strategy")}
        return {**plugins, **plain}

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits that name this selection from these files wherever it is made."""
        identity = {
            "protocol": PROTOCOL,
            **self.as_json(semantic_only=True),
            "data": self.pool.fingerprint(),
        }
        return hashlib.sha256(canonical(identity)).hexdigest()[:16]

    def stages(self, rows: int) -> tuple[Stage, ...]:
        """What is done, one stage after the other.

        Raises
        ------
        SelectionError
            More is asked for than there is.
        """
        assert isinstance(self.strategy, PairStrategy)
        count = self.count if self.fraction is None else fraction_of(rows, self.fraction)
        if count is not None and count > rows:
            raise SelectionError(f"{count} pairs are asked for, the pool has {rows}")
        try:
            stages = self.strategy.stages(rows, count)
        except ValueError as error:
            raise SelectionError(str(error)) from error
        if self.at_least is None:
            return stages
        return (*stages[:-1], Stage(stages[-1].scorer, at_least=self.at_least))


def load_selection(path: Path) -> Selection:
    """Read a selection from a YAML file.

    Raises
    ------
    SelectionError
        The file or something in it is wrong; one line a fault.
    """
    try:
        content, marks = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SelectionError(f"{path}: {unknown('selections', path)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SelectionError(f"{path}: cannot be read: {error}") from error
    except YAMLRefused as error:
        raise SelectionError(f"{path}{error.place}: {error}") from error
    if not isinstance(content, dict):
        raise SelectionError(f"{path}: expected a mapping with the fields {', '.join(Selection.model_fields)}")
    try:
        return Selection.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{path}:{place(marks, where)}: {'.'.join(map(str, where)) or 'selection'}: {message}"
            for where, message in told(error, content)
        ]
        raise SelectionError("\n".join(lines)) from error
