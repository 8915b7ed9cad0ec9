"""Texts as inputs: a sequence of strings that can be indexed like an array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import overload

import numpy as np


class Texts:
    """n strings. `texts[3]` is one of them, `texts[10:20]` and `texts[rows]` are `Texts` again.

    Raises
    ------
    TypeError
        Something is not a string; the message says which.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(values)
        for place, value in enumerate(self._values):
            if not isinstance(value, str):
                raise TypeError(f"text {place} is not a string but {type(value).__name__}")

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int | np.integer) -> str: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray) -> Texts: ...
    def __getitem__(self, index: int | np.integer | slice | np.ndarray) -> str | Texts:
        if isinstance(index, int | np.integer):
            return self._values[index]
        if isinstance(index, slice):
            return Texts(self._values[index])
        return Texts(self._values[row] for row in np.arange(len(self))[index].tolist())

    def __repr__(self) -> str:
        return f"Texts({len(self)})"

    def content_hash(self) -> str:
        """SHA-256, as 64 hexadecimal digits, of the strings in UTF-8, each with its length, in order."""
        digest = hashlib.sha256()
        for value in self._values:
            encoded = value.encode("utf-8", errors="surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little"))
            digest.update(encoded)
        return digest.hexdigest()
