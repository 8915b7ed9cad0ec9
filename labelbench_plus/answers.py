"""Kinds of answers: what an oracle may be asked for, how it is held in memory, checked, compared and written down.

class       (n, ...) int64: a class, or none of them where the problem says so (-1)
label_set   (n,) int64: the number of an item's set of labels among those a problem knows
labels      (n,) object array of tuples: the set itself, ascending label numbers, of any length
real        (n, ...) float64, float32 or float16, finite
score       (n,) the same: what a judge gives
preference  (n,) int64: -1 the first is better, 0 a tie, 1 the second is better
preference_probability  (n,) float64 in 0..1: that the first is better
text        (n,) object array of str
mask        (n,) object array of str: a base64 bit mask
digest      (n,) object array of str: hexadecimal digits that identify an answer

Texts lie in object arrays, never in numpy's own: that pads each to the longest and loses NUL at the end.

An item may have *no answer* (unparsed, skipped): it is billed and teaches nothing. In memory a filler stands in its
place, NaN, "", () or `NO_ANSWER`; on disk null.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NO_ANSWER = int(np.iinfo(np.int64).min)
"""The filler of whole numbers: no class, no index, and nothing that sums to something believable."""
FLOATS = ("float64", "float32", "float16")
MOST_SHOWN = 80  # characters of a value in a message
_NUMBERS = (int, float, bool)


class AnswerError(ValueError):
    """What was to be recorded cannot be written down and read back. The message names field, item and value."""


@dataclass(frozen=True)
class AnswerKind:
    """One kind of answer.

    Attributes
    ----------
    name: in a purchase's record.
    expected: what one answer is, in words.
    is_one: whether a plain value is such an answer.
    dtypes: of the array in memory, the first where nothing else is said; object for what is not a number.
    filler: what stands in memory where there is no answer.
    named: whether a record says the kind. Kinds that are older than kinds are not named: the default reading gives
        them back, and what was published keeps its bytes.
    deep: whether an answer may be an array of values, so that there are arrays (n, ...) of them.
    """

    name: str
    expected: str
    is_one: Callable[[Any], bool]
    dtypes: tuple[str, ...] = ("object",)
    filler: Any = ""
    named: bool = True
    deep: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        return kind_of, (self.name,)  # there is one of each, in every process

    def read(self, values: Sequence[Any], dtype: str | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """The array of plain values, as JSON holds them, and which (n,) were answered; None if all were.

        Raises
        ------
        ValueError
            Not such values, or not in such a dtype.
        """
        if dtype is not None and dtype not in self.dtypes:
            raise ValueError(f"answers of kind {self.name!r} are {' or '.join(self.dtypes)}, not {dtype}")
        if self.dtypes[0] != "object":
            for value in values:
                if value is not None and (wrong := [leaf for leaf in _leaves(value) if type(leaf) not in _NUMBERS]):
                    raise ValueError(f"answers of kind {self.name!r}: expected {self.expected}, got {shown(wrong[0])}")
        return _filled(values, self.filler, dtype or self.dtypes[0])

    def held(self, values: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """What somebody has of answers, in an array or a list, as this kind is held in memory; None is no answer.

        What is no such answer is left for `check` to refuse.
        """
        if isinstance(values, np.ndarray) and values.dtype != object and self.dtypes[0] != "object":
            if values.dtype.name in self.dtypes:
                return values, None
            if np.can_cast(values.dtype, self.dtypes[0]):
                return values.astype(self.dtypes[0]), None
        plain = [_plain(value) for value in values]
        try:
            return self.read(plain)
        except (TypeError, ValueError, OverflowError):
            return _objects(plain), None

    def check(
        self, answers: np.ndarray, answered: np.ndarray | None = None, names: Sequence[Any] | None = None
    ) -> None:
        """Refuse what is no answer of this kind, or would not come back from a file.

        Parameters
        ----------
        answered: (n,) bool; the others have no answer and are not looked at.
        names: (n,) what the message calls the items; their places if left out.

        Raises
        ------
        AnswerError
            Names the first such item, its answer, and what was expected.
        """
        fits = answers.dtype.name in self.dtypes and (self.deep or answers.ndim == 1)
        values = answers.tolist()
        there = range(len(values)) if answered is None else np.flatnonzero(answered).tolist()
        wrong = [place for place in there if not all(map(self.is_one, _leaves(values[place])))]
        if wrong or not (fits or not values):
            place = wrong[0] if wrong else 0
            item = place if names is None else names[place]
            form = "" if wrong else f" in an array {answers.shape} of {answers.dtype}"
            raise AnswerError(f"answers: item {item}: expected {self.expected}, got {shown(values[place])}{form}")


def same(found: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(n,) bool: where two arrays of answers agree, to the last bit of a number and the last character of a text.

    Where neither has an answer they agree; so does nothing in arrays of other shapes.
    """
    if found.shape != said.shape:
        return np.zeros(len(found), dtype=bool)
    if found.dtype == object or said.dtype == object:
        return np.array([a == b for a, b in zip(found.tolist(), said.tolist(), strict=True)], dtype=bool)
    equal = found == said
    if found.dtype.kind == said.dtype.kind == "f":
        equal = (equal & (np.signbit(found) == np.signbit(said))) | (np.isnan(found) & np.isnan(said))
    return np.asarray(equal.reshape(len(found), -1).all(axis=1), dtype=bool) if len(found) else np.zeros(0, dtype=bool)


def written(answers: np.ndarray, answered: np.ndarray | None) -> list[Any]:
    """Answers as plain values for JSON, null where there is none."""
    values = [list(value) if isinstance(value, tuple) else value for value in answers.tolist()]
    if answered is None:
        return values
    return [value if there else None for value, there in zip(values, answered.tolist(), strict=True)]


def kind_of(name: str) -> AnswerKind:
    """The kind with this name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in KINDS:
        raise ValueError(f"unknown kind of answer {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def inferred(values: Any) -> AnswerKind:
    """The kind that answers are of where nobody says: whole numbers are classes, floats real values, strings texts.

    Lists and tuples in an object array are sets of labels.
    """
    array = values if isinstance(values, np.ndarray) else _objects(list(values))
    if array.dtype != object:
        return {"f": REAL, "U": TEXT, "S": TEXT}.get(array.dtype.kind, CLASS)
    first = next((value for value in array.tolist() if value is not None), "")
    if isinstance(first, list | tuple | set | frozenset | np.ndarray):
        return LABELS
    return CLASS if isinstance(first, int | np.integer) else REAL if isinstance(first, float | np.floating) else TEXT


def read_unnamed(values: Sequence[Any], dtype: str | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The default reading, of answers whose record names no kind: the array of plain values, and which were answered.

    Whole numbers become int64, others float64 unless a `dtype` is named, strings an object array; nothing int64.

    Raises
    ------
    ValueError
        Lists of different lengths, or no such dtype.
    """
    if dtype is not None and dtype not in FLOATS:
        raise ValueError(f"expected a dtype of {', '.join(FLOATS)}, got {dtype!r}")
    there = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in there):
        return _filled(values, "", "object")
    found = np.asarray(there, dtype=dtype) if there else np.empty(0, dtype=dtype or np.int64)
    return _filled(values, math.nan if found.dtype.kind == "f" else NO_ANSWER, found.dtype.name)


def check_unnamed(answers: np.ndarray, answered: np.ndarray | None, names: Sequence[Any]) -> None:
    """`AnswerKind.check` of answers of no kind: they must be what the default reading gives back.

    Raises
    ------
    AnswerError
        Names the first item whose answer is not.
    """
    if answers.dtype.kind not in "biu" and len(answers):
        (_UNNAMED_TEXT if answers.dtype == object else REAL).check(answers, answered, names)


def two_classes(preferences: np.ndarray, kind: AnswerKind) -> np.ndarray:
    """(n,) int64, preferences as classes: 0 where the first is better, 1 where the second is, -1 for a tie.

    Parameters
    ----------
    preferences: (n,) of kind `PREFERENCE` or `PREFERENCE_PROBABILITY`, all of them answered.
    """
    if kind not in (PREFERENCE, PREFERENCE_PROBABILITY):
        raise ValueError(f"answers of kind {kind.name!r} are no preferences")
    second = preferences if kind is PREFERENCE else 0.5 - preferences
    return np.where(second > 0, 1, np.where(second < 0, 0, -1)).astype(np.int64)


def shown(value: Any) -> str:
    """A value in a message, with its type."""
    text = ascii(value)
    return f"{text if len(text) <= MOST_SHOWN else f'{text[:MOST_SHOWN]}…'} ({type(value).__name__})"


def _objects(values: Sequence[Any]) -> np.ndarray:
    """(n,) object array. Not by numpy's guess, which makes a matrix of lists of one length."""
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


def _filled(values: Sequence[Any], filler: Any, dtype: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values as an array with a filler for each None, and which (n,) were no None; None if none was."""
    answered = np.array([value is not None for value in values], dtype=bool)
    every = None if answered.all() else answered
    if dtype == "object":
        held = [filler if value is None else tuple(value) if isinstance(value, list) else value for value in values]
        return _objects(held), every
    there = [value for value in values if value is not None]
    found = np.asarray(there, dtype=dtype)
    if not np.array_equal(np.asarray(there), found, equal_nan=True):
        raise ValueError(f"answers: expected values of {dtype}, got {shown(there[0])} and others")
    if every is None:
        return found, None
    array = np.full((len(values), *found.shape[1:]), filler, dtype=dtype)
    array[answered] = found
    return array, every


def _plain(value: Any) -> Any:
    """A value without numpy's types; a set in ascending order."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(sorted(value)) if isinstance(value, set | frozenset) else value


def _leaves(value: Any) -> Iterator[Any]:
    """The values of an answer that is an array of them; itself if it is one."""
    if isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_index(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_probability(value: Any) -> bool:
    return _is_finite(value) and 0 <= value <= 1


def _is_preference(value: Any) -> bool:
    return _is_whole(value) and -1 <= value <= 1


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        return False
    return True


def _is_hexadecimal(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]+", value) is not None


def _is_set(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_index, value)) and list(value) == sorted(set(value))


WHOLE = ("int64",)
CLASS = AnswerKind("class", "a whole number", _is_whole, WHOLE, NO_ANSWER, named=False, deep=True)
LABEL_SET = AnswerKind("label_set", "the number of a label set", _is_index, WHOLE, NO_ANSWER, named=False)
LABELS = AnswerKind("labels", "different label numbers from 0, ascending", _is_set, filler=())
REAL = AnswerKind("real", "a finite number", _is_finite, FLOATS, math.nan, deep=True)
SCORE = AnswerKind("score", "a finite number", _is_finite, FLOATS, math.nan)
PREFERENCE = AnswerKind("preference", "-1, 0 or 1", _is_preference, WHOLE, NO_ANSWER)
PREFERENCE_PROBABILITY = AnswerKind(
    "preference_probability", "a probability in 0..1", _is_probability, FLOATS[:1], math.nan
)
TEXT = AnswerKind("text", "text that UTF-8 can encode", _is_text)
MASK = AnswerKind("mask", "a mask in base64", _is_base64, named=False)
DIGEST = AnswerKind("digest", "hexadecimal digits", _is_hexadecimal, named=False)
_UNNAMED_TEXT = AnswerKind("", "only whole numbers, only floats or only text where no kind is named", _is_text)
_ALL = (CLASS, LABEL_SET, LABELS, REAL, SCORE, PREFERENCE, PREFERENCE_PROBABILITY, TEXT, MASK, DIGEST)
KINDS: dict[str, AnswerKind] = {kind.name: kind for kind in _ALL}
