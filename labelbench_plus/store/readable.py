"""How a run's files are read, wherever they are: in its folder (a `Path`), or in a pack (`packs.Packed`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol, Self


class Readable(Protocol):
    """A file or folder of a run, with what readers need of a `Path`. Only folders are written to."""

    @property
    def name(self) -> str: ...

    def __truediv__(self, name: str, /) -> Self: ...

    def __hash__(self) -> int: ...

    def iterdir(self) -> Iterable[Self]: ...

    def read_bytes(self) -> bytes: ...

    def stat(self) -> os.stat_result: ...


class PackError(ValueError):
    """A pack cannot be read. The message names the file and what to do."""
