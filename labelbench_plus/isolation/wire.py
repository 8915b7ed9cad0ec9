"""Messages of numbers, text and arrays that an untrusted process may send, within bounds.

Pickles run code when they are read. These do not: a message is JSON, followed by its arrays as bare numbers. How long
it may be is known before it is read, and how long it may take; what is no such message is refused whole.

A frame is its length in eight bytes, then so many bytes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import struct
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LONGEST_TEXT = 2**20
"""Bytes of the JSON of one message that are still read."""
DEEPEST = 8
MOST_ARRAYS = 4
LENGTH = struct.Struct("!Q")
PIECE = 2**20
KINDS = frozenset(
    {"bool", "float16", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


class Malformed(Exception):
    """The other side sent something that is not a message, or is too long. The error says what is wrong."""


class Wire:
    """One end of a connection.

    Parameters
    ----------
    descriptor: of a connected socket.

    Attributes
    ----------
    left: seconds that may still be spent waiting for the other side; None for ever.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.left: float | None = None
        os.set_blocking(descriptor, False)

    def close(self) -> None:
        """Hang up."""
        os.close(self._descriptor)

    def has_more(self) -> bool:
        """Whether the other side sent something that was not read yet."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))

    def send_bytes(self, content: bytes) -> None:
        """Send a frame.

        Raises
        ------
        OSError
            The other side is gone.
        TimeoutError
            It does not read.
        """
        for part in (LENGTH.pack(len(content)), memoryview(content)):
            while part:
                with contextlib.suppress(BlockingIOError):
                    part = part[os.write(self._descriptor, part[:PIECE]) :]
                    continue
                self._wait(select.POLLOUT)

    def receive_bytes(self, longest: int | None = None) -> bytes:
        """The next frame.

        Raises
        ------
        EOFError, OSError
            The other side is gone.
        TimeoutError
            It sends nothing more.
        Malformed
            The frame says that it is longer than `longest`; nothing of it was read.
        """
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if longest is not None and length > longest:
            raise Malformed(f"a message of {length:,} bytes, where {longest:,} are the most")
        return self._exactly(length)

    def send(self, **fields: Any) -> None:
        """Send fields of plain JSON values and arrays of numbers.

        Raises
        ------
        TypeError, ValueError
            Something else is among them.
        """
        import numpy as np

        arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
        if wrong := [name for name, array in arrays.items() if array.dtype.name not in KINDS]:
            raise TypeError(f"{', '.join(wrong)}: only arrays of numbers can be sent")
        shapes = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
        plain = {name: value for name, value in fields.items() if name not in arrays}
        self.send_bytes(json.dumps([plain, shapes], allow_nan=False).encode())
        for array in arrays.values():
            self.send_bytes(np.ascontiguousarray(array).tobytes())

    def receive(self, longest: int = LONGEST_TEXT) -> dict[str, Any]:
        """The fields of the next message.

        Parameters
        ----------
        longest: bytes that all its arrays may have together.

        Raises
        ------
        EOFError, OSError
            The other side is gone.
        TimeoutError
            It sends nothing more.
        Malformed
            It sent something else.
        """
        fields, arrays = _message(self.receive_bytes(LONGEST_TEXT))
        for name, kind, shape in arrays:
            fields[name], longest = self._array(kind, shape, longest)
        return fields

    def _array(self, kind: str, shape: tuple[int, ...], longest: int) -> tuple[np.ndarray, int]:
        import numpy as np

        dtype = np.dtype(kind)
        size = math.prod(shape) * dtype.itemsize
        if size > longest:
            raise Malformed(f"arrays of {size:,} bytes, where {longest:,} are the most")
        content = self.receive_bytes(size)
        if len(content) != size:
            raise Malformed(f"an array of {len(content)} bytes that was announced with {size}")
        return np.frombuffer(content, dtype).reshape(shape), longest - size

    def _exactly(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            with contextlib.suppress(BlockingIOError):
                piece = os.read(self._descriptor, min(size - len(content), PIECE))
                if not piece:
                    raise EOFError("the other side hung up")
                content += piece
                continue
            self._wait(select.POLLIN)
        return bytes(content)

    def _wait(self, what: int) -> None:
        poll, began = select.poll(), time.monotonic()
        poll.register(self._descriptor, what)
        ready = poll.poll(None if self.left is None else 1000 * min(max(self.left, 0.0), 86400.0))
        if self.left is not None:
            self.left -= time.monotonic() - began
            if not ready and self.left <= 0:
                raise TimeoutError("the other side took too long")


def parse(text: bytes) -> Any:
    """A JSON text of bounded depth, of finite numbers, without doubled keys and half characters.

    Raises
    ------
    Malformed
        It is none.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {str(error)[:200]}") from None
    if _depth(value) > DEEPEST:
        raise Malformed(f"JSON nested more than {DEEPEST} deep")
    return value


def _message(text: bytes) -> tuple[dict[str, Any], list[tuple[str, str, tuple[int, ...]]]]:
    message = parse(text)
    if not (isinstance(message, list) and len(message) == 2):
        raise Malformed("no fields and arrays")
    fields, shapes = message
    if not isinstance(fields, dict) or not isinstance(shapes, list) or len(shapes) > MOST_ARRAYS:
        raise Malformed("no fields and arrays")
    arrays: list[tuple[str, str, tuple[int, ...]]] = []
    for each in shapes:
        if not (isinstance(each, list) and len(each) == 3):
            raise Malformed("an array without name, kind and shape")
        name, kind, shape = each
        if not isinstance(name, str) or name in fields or name in (known for known, _, _ in arrays):
            raise Malformed("an array without a name of its own")
        if not isinstance(kind, str) or kind not in KINDS:
            raise Malformed("an array of something else than numbers")
        if not (isinstance(shape, list) and len(shape) <= MOST_ARRAYS and all(map(_is_count, shape))):
            raise Malformed("an array without a shape")
        arrays.append((name, kind, tuple(shape)))
    return fields, arrays


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:  # a level at a time: what is nested deeply enough to end a recursion was refused before
        deepest += 1
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, Mapping) else each)
        ]
    return deepest - 1


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is beyond all numbers")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found
