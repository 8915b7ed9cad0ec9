"""The files of the game `quiz`: lines of columns, each a pattern that stands for one or several texts (quiz(6))."""

from __future__ import annotations

from collections.abc import Iterator

MOST = 64
"""Texts of one pattern that are kept: a few patterns stand for thousands."""
_CLOSING = {"{": "}", "[": "]"}


def rows(text: str) -> Iterator[list[str]]:
    """The columns of every line, as patterns. A line that ends in a backslash goes on in the next."""
    line = ""
    for part in text.split("\n"):
        line += part
        if line.endswith("\\"):
            line = line[:-1]
        else:
            if line.strip():
                yield _columns(line)
            line = ""


def _columns(line: str) -> list[str]:
    columns, escaped = [""], False
    for letter in line:
        if letter == ":" and not escaped:
            columns.append("")
        else:
            columns[-1] += letter
        escaped = letter == "\\" and not escaped
    return columns


def texts(pattern: str) -> tuple[str, ...]:
    """What a pattern stands for, at most `MOST`: first the longest text of its first alternative, the reference.

    `a|b` is either, `{a}` is a or nothing, `[a|b]c` is ac or bc, and a backslash takes the next letter literally.
    """
    alternatives, _ = _alternatives(pattern, 0, "")
    reference = max(alternatives[0], key=len).strip()
    every = [" ".join(text.split()) for alternative in alternatives for text in alternative]
    return tuple(dict.fromkeys([" ".join(reference.split()), *filter(None, every)]))[:MOST]


def _alternatives(pattern: str, at: int, closing: str) -> tuple[list[list[str]], int]:
    """The texts of each alternative from a place on, and the place behind the closing bracket or the end."""
    found, said = [], [""]
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == closing:
            break
        if letter == "|":
            found.append(said)
            said = [""]
        elif letter in _CLOSING:
            inner, at = _alternatives(pattern, at, _CLOSING[letter])
            endings = [text for alternative in inner for text in alternative] + [""] * (letter == "{")
            said = [text + ending for text in said for ending in endings][: MOST**2]
        else:
            if letter == "\\" and at < len(pattern):
                letter, at = pattern[at], at + 1
            said = [text + letter for text in said]
    return [*found, said], at
