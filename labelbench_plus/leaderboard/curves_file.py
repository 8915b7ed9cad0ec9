"""Learning curves in a folder of results: one table, compressed where it is long."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from labelbench_plus.store.atomic import replacing

PLAIN, COMPRESSED = "curves.csv", "curves.csv.gz"
LONGEST_PLAIN = 10_000  # rows: a few megabytes, which shrink to a fifth
MOST_BYTES = 256 * 2**20  # unpacked


def write(folder: Path, rows: int, write_rows: Callable[[BinaryIO], None]) -> None:
    """Put the table that `write_rows` writes, of so many rows, in the place of the one that is there."""
    name, other = (COMPRESSED, PLAIN) if rows > LONGEST_PLAIN else (PLAIN, COMPRESSED)
    with replacing(folder / name) as temporary, open(temporary, "wb") as file:
        if name == COMPRESSED:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                write_rows(cast(BinaryIO, compressed))
        else:
            write_rows(file)
    (folder / other).unlink(missing_ok=True)


def find(folder: Path) -> Path:
    """Where a folder's table is; where it should be if there is none.

    Raises
    ------
    ValueError
        It has two.
    """
    if not (folder / COMPRESSED).exists():
        return folder / PLAIN
    if (folder / PLAIN).exists():
        raise ValueError(f"{folder}: {PLAIN} and {COMPRESSED} are both there: remove the older one")
    return folder / COMPRESSED


def opened(path: Path) -> BinaryIO:
    """The table's bytes. Reading them may raise OSError, EOFError or zlib.error if it was compressed."""
    return cast(BinaryIO, gzip.open(path, "rb") if path.name == COMPRESSED else open(path, "rb"))


def read(path: Path) -> bytes:
    """The whole table.

    Raises
    ------
    ValueError
        It is longer than any table may be, or not a whole gzip file.
    """
    parts, length = list[bytes](), 0  # joined in the end: what grows step by step leaves its earlier places behind
    try:
        with opened(path) as file:
            while length <= MOST_BYTES and (part := file.read(2**20)):  # one large read would reserve it all
                parts.append(part)
                length += len(part)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file: {error}") from error
    if length > MOST_BYTES:
        raise ValueError(f"{path}: more than {MOST_BYTES:,} bytes")
    return b"".join(parts)
