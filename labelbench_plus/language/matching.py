"""Whether an answer is right: the same after what does not matter was taken away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain

_PUNCTUATION = re.compile(r"[^\w\s.+-]|_")
_ARTICLES = frozenset({"a", "an", "the"})
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * place for place, word in enumerate(_TENS, start=2)
}


def normalised(text: str) -> str:
    """A text in lower case, without articles and punctuation but `.`, `-` and `+`, words apart by one blank.

    Numbers below a thousand in words become digits: "forty-two" and "Forty two" are "42". An article alone stays.
    """
    words = _PUNCTUATION.sub("", text.lower()).split()
    return " ".join(_with_digits([word for word in words if word not in _ARTICLES] or words))


def right(said: str, accepted: Iterable[str]) -> bool:
    """Whether an answer equals one of those that are accepted, once both are `normalised`."""
    return normalised(said) in set(map(normalised, accepted))


def _with_digits(words: list[str]) -> list[str]:
    """The words, where numbers in words, however many words each takes, are digits."""
    found: list[str] = []
    value: int | None = None  # of the number that is being read
    for word in chain.from_iterable(map(_parts, words)):
        if value is not None and word == "hundred" and 0 < value < 10:
            value *= 100
        elif value is not None and word in NUMBERS and _continues(value, NUMBERS[word]):
            value += NUMBERS[word]
        else:
            found += [] if value is None else [str(value)]
            value = NUMBERS.get(word)
            found += [word] if value is None else []
    return found + ([] if value is None else [str(value)])


def _parts(word: str) -> list[str]:
    """ "forty-two" is two words; other words with hyphens are one."""
    parts = word.split("-")
    return parts if len(parts) > 1 and all(part in NUMBERS for part in parts) else [word]


def _continues(value: int, following: int) -> bool:
    """Whether "forty" goes on with "two", or "three hundred" with "forty"."""
    return (value % 100 == 0 and value > 0) or (value % 100 >= 20 and value % 10 == 0 and 0 < following < 10)
