"""Scores: what a problem says about a model on its test set, and which values are refused."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Details = Mapping[str, Any]
"""Tables by name. A table is a mapping of columns to lists or arrays of one length, or a list of records."""


class ScoreError(Exception):
    """A model could not be scored. The message names trainer, round, score and fault."""


class UnusableScore(ValueError):
    """A score, or its input, is not usable. Code that knows trainer and round turns this into a `ScoreError`."""


@dataclass(frozen=True)
class Scored:
    """Everything that an evaluation reports. One that returns a dict reports scores alone.

    Attributes
    ----------
    scores: numbers by name, one of which ranks. A run has the same names in every round.
    details: what does not rank: per item, per group, generations. They are kept in a separate file whose hash is in
        the round, so they must be the same when the round is recomputed.
    notes: what it cost besides time and memory (tokens, money), kept with the round's costs as `problem.<name>`.
    """

    scores: Mapping[str, float]
    details: Details = field(default_factory=dict)
    notes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Scored | Mapping[str, float]) -> Scored:
        """What `Instance.evaluate` returned, in either of its forms."""
        return found if isinstance(found, Scored) else cls(found)

    def checked(self, names: Collection[str] | None, *, may_be_none: bool = False) -> Scored:
        """The same with details as plain JSON values.

        Parameters
        ----------
        names: the scores of an earlier round, and so of the whole run; None in the first round.
        may_be_none: whether there may be no score at all.

        Raises
        ------
        UnusableScore
            A score is not a finite number or not one of the run's; a detail cannot be written to a file.
        """
        if not (self.scores or may_be_none):
            raise UnusableScore("no score: expected at least the one that ranks")
        _check_scores(self.scores, names)
        return Scored(dict(self.scores), plain_details(self.details), self.notes)


def check_predictions(predictions: Tensor, scores: Collection[str]) -> None:
    """Refuse predictions (n, ...) that are NaN or infinite: an argmax would hide them.

    Parameters
    ----------
    scores: names of the scores that use them.

    Raises
    ------
    UnusableScore
        Some are not finite.
    """
    finite = predictions.isfinite()
    if not bool(finite.all()):
        wrong = int((~finite).reshape(len(finite), -1).any(dim=1).sum())
        raise UnusableScore(
            f"{_named(scores)}: the predictions for {wrong} of {len(finite)} test items are not finite (NaN or "
            "infinite), as after training that diverged"
        )


def plain_details(details: Details) -> dict[str, Any]:
    """Details as JSON values: arrays and tensors become lists.

    Raises
    ------
    UnusableScore
        Something is not finite, of a type that JSON lacks, text that UTF-8 lacks, or a table's columns differ in
        length. The message names the place.
    """
    found = {_plain_name(name): _plain(table, f"detail {name!r}") for name, table in details.items()}
    for name, table in found.items():
        if isinstance(table, dict):
            lengths = {column: len(cells) if isinstance(cells, list) else None for column, cells in table.items()}
            if None in lengths.values() or len(set(lengths.values())) > 1:
                raise UnusableScore(f"detail {name!r}: expected columns of one length, got {lengths}")
        elif not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            raise UnusableScore(f"detail {name!r}: expected columns by name, or a list of records")
    return found


def _plain_name(name: Any) -> str:
    if not isinstance(name, str):
        raise UnusableScore(f"details: expected text for the names of tables, got {name!r}")
    return str(_plain(name, f"detail {name!r}"))


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise UnusableScore(f"{place}: expected text for keys, got {odd[0]!r}")
        return {_plain(key, place): _plain(each, f"{place}, {key!r}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{place}, {number}") for number, each in enumerate(value)]
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise UnusableScore(f"{place}: half of a surrogate pair, which no file can hold: {value[:60]!r}")
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise UnusableScore(f"{place} is not finite: {value}")
    if value is None or isinstance(value, bool | int | float):
        return value
    if listed := getattr(value, "tolist", None):  # of numpy and torch
        return _plain(listed(), place)
    raise UnusableScore(f"{place}: expected numbers, text, lists or mappings, got {type(value).__name__}")


def _check_scores(scores: Mapping[str, float], names: Collection[str] | None) -> None:
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnusableScore(f"score {name!r}: expected a number, got {type(value).__name__}")
        if not math.isfinite(value):
            raise UnusableScore(f"score {name!r} is not finite: {value}")
    if names is not None and (odd := sorted(set(names) ^ set(scores))):
        how = "is missing, but the rounds before have it" if odd[0] in names else "is new: the rounds before lack it"
        raise UnusableScore(f"score {odd[0]!r} {how}; the names of a run's scores are the same in every round")


@dataclass(frozen=True)
class ShownScore:
    """A score that boards show beside the one that ranks; it never ranks.

    Attributes
    ----------
    caveat: what the score leaves out ("ignores KL"), shown wherever the score is.
    """

    name: str
    higher_is_better: bool
    caveat: str = ""


@dataclass(frozen=True)
class Guard:
    """A score that must not be given up for the one that ranks, as when a reward rises while answers fall apart.

    A run is called a collapse if its ranking score is better than the reference's while its guard is below `share` of
    the reference's.

    Attributes
    ----------
    score: higher is better; never below zero.
    reference, ranked_reference: scores of the same round with the guard and the ranking score of the reference (an
        untuned policy). Without them, the run of the board's baseline at the same seed is the reference.
    """

    score: str
    reference: str | None = None
    ranked_reference: str | None = None
    share: float = 0.5

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of all scores that it reads."""
        return tuple(name for name in (self.score, self.reference, self.ranked_reference) if name is not None)

    def __post_init__(self) -> None:
        if (self.reference is None) != (self.ranked_reference is None):
            raise ValueError(f"guard {self.score!r}: name the reference's scores of both, or of neither")
        if not 0 < self.share <= 1:
            raise ValueError(f"guard {self.score!r}: expected a share above 0 and at most 1, got {self.share}")


FacetRole = Literal["reference", "control", "generator", "noisy oracle", "oracle"]
"""The role of a facet's value in comparisons along it: the one that others are measured against; one that should gain
nothing; one made from the same inputs by something that learned elsewhere; one that knows the truth, nearly or
exactly, and is a bound if its problem says so (`Problem.knows_truth`)."""

Given = Literal["reference", "best"]
"""What a series can show beside the points of models: those of one that has learned nothing, and the best reachable."""


@dataclass(frozen=True)
class SeriesColumn:
    """A number that each point of a series has; `given`: also each point of what is given beside it."""

    name: str
    higher_is_better: bool
    given: bool = True


@dataclass(frozen=True)
class Series:
    """Scores that belong on one curve: a front is one, with a point for every weighting.

    A point is an ordinary score of the round, `<name>.<column>@<at>`; no menu of metrics lists it.

    Attributes
    ----------
    parameter: what varies between points ("weight").
    at: the points, as `point` writes them.
    columns: what each has.
    chart: two of the columns, or the parameter and a column, that a chart shows; None for a table alone.
    given: what the problem provides besides: for each point the scores `<name>.reference:<column>@<at>` of a model that
        has learned nothing, or `<name>.best:<column>@<at>` of what can be reached (`score` writes both).
    """

    name: str
    parameter: str
    at: tuple[str, ...]
    columns: tuple[SeriesColumn, ...]
    chart: tuple[str, str] | None = None
    given: tuple[Given, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for name in (self.name, *names):
            if not name or "@" in name or ":" in name:
                raise ValueError(f"series {self.name!r}: {name!r} is no name: expected text without '@' and ':'")
        if "." in self.name:
            raise ValueError(f"series {self.name!r}: its name may hold no '.', which ends it in a score's name")
        for what, values in (("points", self.at), ("columns", tuple(names))):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"series {self.name!r}: expected different {what}, at least one, got {values}")
        if self.chart is not None and (odd := set(self.chart) - {*names, self.parameter}):
            raise ValueError(f"series {self.name!r}: its chart shows {sorted(odd)}, which it does not have")
        if unknown := set(self.given) - set(get_args(Given)):
            raise ValueError(f"series {self.name!r}: given are {' and '.join(get_args(Given))}, not {sorted(unknown)}")

    def score(self, column: str, at: str, given: Given | None = None) -> str:
        """The name of the score that a point's column is, of a model or of what is given."""
        return f"{self.name}.{given + ':' if given else ''}{column}@{at}"

    def scores(self) -> tuple[str, ...]:
        """The names of all of its scores."""
        return tuple(
            self.score(column.name, at, given)
            for given in (None, *self.given)
            for column in self.columns
            if given is None or column.given
            for at in self.at
        )


def point(at: float | Iterable[float]) -> str:
    """The one text of a point: `0.25`, `1`, `0.5:0.5`. Equal points, and only they, have equal text.

    Raises
    ------
    ValueError
        It is not finite.
    """
    if not isinstance(at, int | float):
        return ":".join(map(point, at))
    value = float(at) + 0.0  # no minus before a zero
    if not math.isfinite(value):
        raise ValueError(f"a point of a series is finite, got {value}")
    return repr(value).removesuffix(".0")


def split_point(score: str) -> tuple[str, str, str] | None:
    """Series, column and point of a score's name; None for an ordinary score."""
    before, at, value = score.rpartition("@")
    series, dot, column = before.partition(".")
    return (series, column, value) if at and dot and series and column and value else None


def _named(scores: Collection[str]) -> str:
    return f"score{'s' * (len(scores) > 1)} {', '.join(map(repr, scores))}"
