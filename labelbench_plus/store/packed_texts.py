"""Texts as arrays of numbers and back, without loss; a long text among short ones costs only its length."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from labelbench_plus.inputs.texts import Texts


def packed(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """`bytes`: all texts in UTF-8, one behind the other; `offsets` (n + 1,): where each begins, and the last ends.

    Raises
    ------
    ValueError
        A text holds half a character (a lone surrogate); the message says which.
    """
    encoded = [_encoded(place, text) for place, text in enumerate(texts)]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return {"bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), "offsets": offsets}


def unpacked(arrays: Mapping[str, np.ndarray]) -> Texts:
    """What was packed.

    Raises
    ------
    ValueError
        It is not what `packed` made.
    """
    content, offsets = arrays["bytes"].tobytes(), arrays["offsets"].tolist()
    if offsets[-1] != len(content):
        raise ValueError(f"{len(content)} bytes of text, but the last one ends at {offsets[-1]}")
    return Texts(content[start:end].decode() for start, end in pairwise(offsets))


def as_json_array(texts: Sequence[str]) -> np.ndarray:
    """(b,) uint8: a JSON list of the texts. Raises as `packed`."""
    checked = [_encoded(place, text).decode() for place, text in enumerate(texts)]
    return np.frombuffer(json.dumps(checked).encode(), dtype=np.uint8)


def from_json_array(array: np.ndarray) -> list[str]:
    """What `as_json_array` made one of."""
    texts: list[str] = json.loads(array.tobytes())
    return texts


def _encoded(place: int, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"text {place} holds half a character, which no file can keep: {text!r:.80}") from None
