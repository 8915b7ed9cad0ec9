"""Labels as a table has them: nothing is read as another type in silence, so that no two classes become one."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
"""A whole number that is written in one way only: "007" and "1e2" are text."""

FEW = 20
"""So many different numbers may be classes, whatever there are of each."""

ASK = (
    "write target: values if they are to be predicted as such (problem regression), target: classes if each is a class"
)


def as_text(column: np.ndarray, where: str) -> np.ndarray:
    """(n,) of str: texts as they are, bytes read as UTF-8.

    Raises
    ------
    ValueError
        Something else is among them, or two differ in what cannot be seen; the message says which.
    """
    found = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in column.tolist()]
    kinds = {type(value).__name__ for value in found}
    if kinds - {"str"}:
        raise ValueError(f"{where} mixes labels of several types ({', '.join(sorted(kinds))}): make them one")
    seen: dict[str, str] = {}
    for value in dict.fromkeys(found):
        alike = seen.setdefault(unicodedata.normalize("NFC", " ".join(value.split())), value)
        if alike != value:
            raise ValueError(f"{where} has {alike!r} and {value!r}, which look the same: write them the same way")
    return np.array(found, dtype=object)


def classes_of_text(
    column: np.ndarray, where: str, *, said: bool, from_text_file: bool
) -> tuple[np.ndarray, list[str]]:
    """Numbers (n,) of classes and their names, in order: numbers by size, text by letter.

    Parameters
    ----------
    column: (n,) of str.
    said: whether somebody said that they are classes. Otherwise numbers that might be values are refused.
    from_text_file: whether a number can only be written as text there.
    """
    names = list(dict.fromkeys(column.tolist()))
    numbers = {name: value for name in names if from_text_file and (value := _number(name)) is not None}
    if len(numbers) == len(names):
        whole = all(value == int(value) and "." not in name for name, value in numbers.items())
        many = len(names) > FEW and 5 * len(names) > len(column)
        if not said and (not whole or many):
            raise ValueError(f"{where} holds {len(names)} different numbers such as {names[0]}: {ASK}")
        by_size = all(WHOLE.fullmatch(name) for name in names) or not whole
        names.sort(key=lambda name: (numbers[name], name) if by_size else (0.0, name))
    else:
        names.sort()
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[value] for value in column.tolist()], dtype=np.int64), names


def whole_numbers(column: np.ndarray, where: str) -> np.ndarray:
    """(n,) int64 of texts that are whole numbers, written in the one way there is."""
    wrong = [value for value in column.tolist() if not WHOLE.fullmatch(value)]
    if wrong:
        raise ValueError(f"{where} must hold integers, not {wrong[0]!r}")
    return column.astype(np.int64)


def only_elsewhere(pool: np.ndarray, others: dict[str, np.ndarray], names: tuple[str, ...]) -> str:
    """What is wrong if other parts have classes that no example of the pool has; empty if they have not."""
    for part, labels in others.items():
        if len(missing := np.setdiff1d(labels, pool)):
            shown = ", ".join(names[number] if names else str(number) for number in missing[:5].tolist())
            return f"class {shown} is in the {part} part and not in the pool, so it cannot be learned"
    return ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
