"""File systems that fail: the calls by which files below a folder are read and changed, some of them with an error."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

How = Literal["once", "from then on", "done all the same"]
"""A call fails; it and all that change anything after it fail; it does what it is to do and fails all the same."""

CHANGES = ("link", "rename", "replace", "unlink", "mkdir", "rmdir", "utime", "fsync")


class Fault:
    """Makes a call fail.

    Parameters
    ----------
    folder: below which calls count. at: the number of the call that fails, from 0; none if negative.
    number: of the error. only: which calls count; all if empty.

    Attributes
    ----------
    calls: the names of the calls that were counted, in order.
    """

    def __init__(self, folder: Path, at: int, number: int, how: How = "once", only: tuple[str, ...] = ()) -> None:
        self._folder, self._at, self._number, self._how, self._only = str(folder), at, number, how, only
        self.calls: list[str] = []

    def _meets(self, name: str) -> bool:
        if self._only and name not in self._only:
            return False
        self.calls.append(name)
        number = len(self.calls) - 1
        return number == self._at or (0 <= self._at < number and self._how == "from then on" and name != "read")

    def _error(self, where: object) -> OSError:
        return OSError(self._number, os.strerror(self._number), str(where))

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if not self._is_below(arguments[0]) or not self._meets(name):
                return call(*arguments, **keywords)
            if self._how == "done all the same":
                call(*arguments, **keywords)
            raise self._error(arguments[0])

        return wrapped

    def opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Of `open`: to read it fails; to write it begins, and what is written is cut off."""

        def wrapped(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
            if not self._is_below(file):
                return call(file, mode, *arguments, **keywords)
            if "r" in mode:
                if self._meets("read"):
                    raise self._error(file)
                return call(file, mode, *arguments, **keywords)
            if self._meets("write"):
                with call(file, mode, *arguments, **keywords) as opened:
                    opened.write(b"{" if "b" in mode else "{")
                raise self._error(file)
            return call(file, mode, *arguments, **keywords)

        return wrapped

    def _is_below(self, where: Any) -> bool:
        if isinstance(where, int):
            with contextlib.suppress(OSError):
                return os.readlink(f"/proc/self/fd/{where}").startswith(self._folder)
            return False
        return os.fspath(where).startswith(self._folder)


@contextlib.contextmanager
def failing(fault: Fault) -> Iterator[None]:
    """Have calls of this process fail."""
    kept = {name: getattr(os, name) for name in CHANGES}
    opened = builtins.open
    try:
        for name, call in kept.items():
            # Nothing is lost of what is not synced, as the machine goes on: it would only take time.
            setattr(os, name, fault.around(name, call if name != "fsync" else lambda descriptor: None))
        io.open = builtins.open = fault.opening(opened)
        yield
    finally:
        for name, call in kept.items():
            setattr(os, name, call)
        io.open = builtins.open = opened
