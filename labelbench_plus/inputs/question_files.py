"""Files of questions about pictures, as their authors publish them: every row that is wrong is told by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelbench_plus.inputs import plain_json

TOLD = 20  # bad rows that a message lists


@dataclass(frozen=True)
class Row:
    """A question as it stands in a file: the name of its picture, its text, its options, and which is right."""

    image: str
    text: str
    options: tuple[str, ...]
    right: int
    relation: str = ""


@dataclass(frozen=True)
class Read:
    """What a file holds.

    Attributes
    ----------
    good: rows by their number. bad: what is wrong with the others, by number. Lines count from 1, entries of a list
        from 0.
    """

    good: Mapping[int, Row]
    bad: Mapping[int, str]

    def rows(self, path: Path) -> list[Row]:
        """All rows, where all are good.

        Raises
        ------
        ValueError
            Some are not; the message names the file and lists them by number.
        """
        if self.bad:
            listed = [f"row {number}: {what}" for number, what in list(self.bad.items())[:TOLD]]
            more = f"; and {len(self.bad) - TOLD} more" if len(self.bad) > TOLD else ""
            raise ValueError(f"{path}: {len(self.bad)} of {len(self.bad) + len(self.good)} rows cannot be used: "
                             f"{'; '.join(listed)}{more}")  # fmt: skip
        return list(self.good.values())


class _Bad(Exception):
    """What is wrong with a row."""


def read_statements(lines: Iterable[str], options: tuple[str, str] = ("no", "yes")) -> Read:
    """Sentences that are true of a picture or not (VSR): a JSON object per line: image, caption, label, relation.

    Parameters
    ----------
    options: what a label of 0 and of 1 is answered by.
    """

    def statement(entry: Any) -> Row:
        image, caption, relation = (_text(entry, name) for name in ("image", "caption", "relation"))
        if isinstance(label := entry.get("label"), bool) or label not in (0, 1):
            raise _Bad("label must be 0 or 1")
        return Row(image, caption, options, int(label), relation)

    return _read(((n, line) for n, line in enumerate(lines, start=1) if line.strip()), _parsed, statement)


def read_captions(text: bytes) -> Read:
    """Captions of which one is right (What'sUp): a JSON list of objects with image_path and caption_options, the right
    one first.

    Raises
    ------
    ValueError
        It is no JSON list.
    """

    def captions(entry: Any) -> Row:
        image, given = _text(entry, "image_path"), entry.get("caption_options")
        if not isinstance(given, list) or len(given) != 4 or not all(isinstance(each, str) and each for each in given):
            raise _Bad("caption_options must be four texts")
        if len(set(given)) < len(given):
            raise _Bad("two of its captions are alike")
        return Row(image, "", tuple(given), 0, relation_of(given[0]))

    return _read(enumerate(_list(text)), _as_it_is, captions)


def read_triples(text: bytes, image_name: Callable[[Any], str]) -> Read:
    """A right and a wrong caption (What'sUp's rows of COCO and GQA): a JSON list of [image, right, wrong].

    Parameters
    ----------
    image_name: makes the name of a picture's file of what stands in a row.

    Raises
    ------
    ValueError
        It is no JSON list.
    """

    def triple(entry: Any) -> Row:
        if not isinstance(entry, list) or len(entry) != 3:
            raise _Bad("expected [image, right caption, wrong caption]")
        image, right, wrong = entry
        if isinstance(image, bool) or not isinstance(image, int | str) or image == "":
            raise _Bad("the image must be a number or a name")
        if not all(isinstance(each, str) and each for each in (right, wrong)) or right == wrong:
            raise _Bad("the captions must be two different texts")
        return Row(image_name(image), "", (right, wrong), 0, relation_of(right))

    return _read(enumerate(_list(text)), _as_it_is, triple)


RELATIONS = (
    *("to the left of", "to the right of", "in front of", "on top of", "on the left", "on the right"),
    *("behind", "under", "below", "above", "left of", "right of", "at the top", "at the bottom"),
    *("on the top", "on the bottom", "on"),
)


def relation_of(caption: str) -> str:
    """Which relation a caption speaks of; empty if none that is known."""
    words = f" {caption.lower().rstrip('.')} "
    return next((relation for relation in RELATIONS if f" {relation} " in words), "")


def _read(entries: Iterable[tuple[int, Any]], parsed: Callable[[Any], Any], row_of: Callable[[Any], Row]) -> Read:
    good: dict[int, Row] = {}
    bad: dict[int, str] = {}
    for number, entry in entries:
        try:
            good[number] = row_of(parsed(entry))
        except _Bad as fault:
            bad[number] = str(fault)
    return Read(good, bad)


def _as_it_is(entry: Any) -> Any:
    return entry


def _parsed(line: str) -> Any:
    try:
        return plain_json.read(line.encode())
    except (plain_json.JsonRefused, UnicodeEncodeError) as error:
        raise _Bad("not valid JSON") from error


def _text(entry: Any, name: str) -> str:
    if not isinstance(entry, dict):
        raise _Bad("expected a JSON object")
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise _Bad(f"{name} must be a text")
    return value


def _list(text: bytes) -> list[Any]:
    try:
        value = plain_json.read(text)
    except plain_json.JsonRefused as error:
        raise ValueError(f"not valid JSON: {error}") from error
    if not isinstance(value, list):
        raise ValueError(f"expected a list of rows, got {type(value).__name__}")
    return value
