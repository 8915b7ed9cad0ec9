"""Reading JSON that anybody may have written: bounded, and with one meaning for every reader.

Python's own reader takes more than JSON is: keys twice (the last one wins, and another reader may take the first),
NaN, numbers of any length, half characters. It also takes as much memory as the writer likes: three bytes are enough
for an object of ninety.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_BYTES = 16 * 2**20
MOST_VALUES = 2_000_000
DEEPEST = 64
HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
SHOWN = 80  # characters of what is refused

Within = Mapping[str, Any]  # of such mappings, by key
NOWHERE: Within = {}

_SPACE = r"[ \t\n\r]*"
_KEY = rf'"([^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*)"{_SPACE}:{_SPACE}'
_FIRST = re.compile(rf"{_SPACE}\{{{_SPACE}(?:{_KEY}|\}}{_SPACE})")
_NEXT = re.compile(rf"{_SPACE}(?:,{_SPACE}{_KEY}|\}}{_SPACE})")


class JsonRefused(ValueError):
    """Something is no JSON that is read here.

    Attributes
    ----------
    what: the rule. `field`: where, dotted; empty where that is not known.
    expected, actual: empty where the rule says it all.
    """

    def __init__(self, what: str, expected: str = "", actual: str = "", field: str = "") -> None:
        self.what, self.expected, self.actual, self.field = what, expected, actual[:SHOWN], field
        contrast = f" (expected {expected})" if expected else ""
        super().__init__(f"{field}: {what}{contrast}" if field else f"{what}{contrast}")


def read(text: bytes) -> Any:
    """The value that is written in UTF-8.

    Raises
    ------
    JsonRefused
        It is no JSON; longer, deeper or of more values than is read here; has a key twice, half a character, or a
        number that is not finite or needs more than 64 bits.
    """
    _check_size(text)
    with _refusing():
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    path: list[str] = []
    try:
        _look(value, 1, HALF_CHARACTER.search(text) is not None, path)
    except JsonRefused as error:
        place = ".".join(reversed(path))
        raise JsonRefused(error.what, error.expected, error.actual, place) from None
    return value


def parts(text: bytes, last: str | None = None, within: Within = NOWHERE) -> dict[str, Any]:
    """The values of an object as they are written, by key, for who needs a few of them and gives those to `read`.

    Of the others nothing is certain but that they are JSON, and of what stands behind the value of `last` nothing.

    Parameters
    ----------
    within: keys whose values are objects too, of which the parts are given, and the same for these.

    Raises
    ------
    JsonRefused
        It is no object in JSON; longer, of more values or deeper than is read here; or has a key twice.
    """
    _check_size(text)
    with _refusing():
        written = text.decode("utf-8")
        found, end = _members(written, 0, last, within)
        if last not in found and end < len(written):
            raise json.JSONDecodeError("Extra data", written, end)
    return found


def _members(written: str, at: int, last: str | None, within: Within) -> tuple[dict[str, Any], int]:
    """`parts` of the object that stands here, and where it ends."""
    found: list[tuple[str, Any]] = []
    mark = _past(_FIRST, written, at)
    while (key := mark[1]) is not None:
        if "\\" in key:
            key = json.loads(f'"{key}"')
        at, value = mark.end(), None
        if key in within:
            value, end = _members(written, at, None, within[key])
        else:
            _, end = _DECODER.raw_decode(written, at)
        found.append((sys.intern(key), written[at:end].encode() if value is None else value))
        if key == last:
            break
        mark = _past(_NEXT, written, end)
    return _object(found), mark.end()


def read_file(path: Path) -> Any:
    """The value that a file holds; see `read`. No more of it is read than may be.

    Raises
    ------
    JsonRefused, OSError
    """
    with open(path, "rb") as file:
        return read(file.read(MOST_BYTES + 1))


def _check_size(text: bytes) -> None:
    if len(text) > MOST_BYTES:
        raise JsonRefused("longer than is read", f"at most {MOST_BYTES:,} bytes", f"{len(text):,}")
    # What separates values is counted before anything is made of them, in texts too: no honest file comes near.
    if len(text) > MOST_VALUES and (values := sum(map(text.count, (b",", b"[", b"{")))) > MOST_VALUES:
        raise JsonRefused("of more values than are read", f"at most {MOST_VALUES:,}", f"{values:,}")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise JsonRefused(f"not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise JsonRefused("nested deeper than is read", f"at most {DEEPEST} levels") from error
    except JsonRefused:
        raise
    except ValueError as error:
        raise JsonRefused(f"not JSON: {error}") from error


def _past(mark: re.Pattern[str], written: str, at: int) -> re.Match[str]:
    """What leads to the next value of an object, whose key it holds, or ends the object, and holds none."""
    if (match := mark.match(written, at)) is None:
        raise json.JSONDecodeError("Expecting an object", written, at)
    return match


def _no_constant(name: str) -> float:
    raise JsonRefused("not a finite number", "a finite number", name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise JsonRefused(f"key {twice[:SHOWN]!r} comes twice in one object")
    return found


def _constant(name: str) -> float:
    return float(name)  # is refused by `_look`, which knows where it stands


def _look(value: Any, depth: int, halves: bool, path: list[str]) -> None:
    """Refuse what no other reader would understand alike. `path`: from the fault up to the value, once there is one."""
    if not isinstance(value, dict | list):
        _look_at(value, halves)
        return
    if depth > DEEPEST:
        raise JsonRefused("nested deeper than is read", f"at most {DEEPEST} levels")
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        try:
            if isinstance(part, dict | list):
                _look(part, depth + 1, halves, path)
            else:
                _look_at(part, halves)
        except JsonRefused:
            path.append(str(key)[:SHOWN])
            raise
    if halves and isinstance(value, dict):
        _look_at("".join(value), halves)


def _look_at(value: Any, halves: bool) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise JsonRefused("not a finite number", "a finite number", str(value))
    elif isinstance(value, str):
        if halves and not _whole(value):
            raise JsonRefused("half a character", "text that UTF-8 can encode", ascii(value))
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise JsonRefused("a number of more than 64 bits", actual=f"{value.bit_length()} bits")


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
