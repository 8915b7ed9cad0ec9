"""Messages of numbers, text and arrays: what a process that is not trusted may send.

Pickles run code when they are read. These do not: a message is JSON, followed by its arrays in NumPy's own format,
read with pickles forbidden.
"""

from __future__ import annotations

import io
import json
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

LONGEST = 2**30
"""Bytes of one message that are still read."""


def send(connection: Connection, **fields: Any) -> None:
    """Send fields of plain JSON values and arrays.

    Raises
    ------
    TypeError, ValueError
        Something else is among them.
    """
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in fields.items() if name not in arrays}
    parts = []
    for array in arrays.values():
        part = io.BytesIO()
        np.save(part, array, allow_pickle=False)
        parts.append(part.getvalue())
    connection.send_bytes(json.dumps([plain, list(arrays)]).encode())
    for content in parts:
        connection.send_bytes(content)


def receive(connection: Connection) -> dict[str, Any]:
    """The fields of the next message.

    Raises
    ------
    EOFError, OSError
        The other side is gone, or what it sent is longer than `LONGEST` or no such message.
    """
    try:
        fields, names = json.loads(connection.recv_bytes(LONGEST))
        if not isinstance(fields, dict) or not isinstance(names, list):
            raise ValueError("not a message")
        for name in names:
            fields[str(name)] = np.load(io.BytesIO(connection.recv_bytes(LONGEST)), allow_pickle=False)
    except (ValueError, TypeError) as error:
        raise OSError(f"a message that cannot be read: {error}") from error
    return fields
